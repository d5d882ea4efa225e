"""How a call can fail, and what that means for the next try."""

import email.utils
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from schemas.errors import ConfigurationError, PhoenixError, Unreachable, UnusableAnswer

if TYPE_CHECKING:
    import openai


@dataclass(eq=False)
class TryFailed(Exception):
    """One try brought no answer; another may."""

    reason: str
    perhaps_paid: bool
    """Whether the provider may have charged for it."""
    retry_after: float | None = None
    """Seconds that the server asked to wait."""
    throttled: bool = False


class FormRefused(Exception):
    """The server does not know this way to ask for a form or a cap."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


def from_provider(error: Exception, model: str, host: str, key: str) -> Exception:
    """What an exception out of LangChain or the OpenAI client means; no text of it holds the key."""
    import openai

    if isinstance(error, openai.APITimeoutError | TimeoutError):
        return TryFailed("the call timed out", perhaps_paid=True)
    if isinstance(error, openai.APIConnectionError):
        return TryFailed("the connection failed", perhaps_paid=not _never_connected(error))
    if isinstance(error, openai.APIStatusError):
        return _from_status(error, model, host, key)
    if isinstance(error, PhoenixError):
        return error
    if type(error).__module__.split(".")[0] in ("httpx", "httpx2", "httpcore", "httpcore2", "h11"):
        return TryFailed(f"the answer broke off ({type(error).__name__})", perhaps_paid=True)
    if isinstance(error, openai.OpenAIError | ValueError | TypeError | LookupError | AttributeError):
        return TryFailed(f"the answer was no chat completion ({type(error).__name__})", perhaps_paid=True)
    return error


def _from_status(error: "openai.APIStatusError", model: str, host: str, key: str) -> Exception:
    status, text = error.status_code, _server_text(error, key)
    if status in (401, 403):
        return ConfigurationError(
            f"the key was refused by {host} for {model} (HTTP {status}). "
            "Set OPENAI_API_KEY to a key that may use it."
        )
    if status == 404:
        return ConfigurationError(
            f"{host} does not know {model} (HTTP 404). Check the name after the colon and OPENAI_BASE_URL."
        )
    if "insufficient_quota" in (error.code or "") or "insufficient_quota" in text:
        return Unreachable(
            f"{host} refuses {model}: the account's quota is used up. Raise it there, run again."
        )
    if status in (408, 409, 429) or status >= 500:
        return TryFailed(
            f"HTTP {status}",
            perhaps_paid=status in (408, 502, 504),
            retry_after=_retry_after(error.response.headers),
            throttled=status in (429, 503),
        )
    if "context_length" in (error.code or "") or "context length" in text or "context window" in text:
        return UnusableAnswer(f"the prompt does not fit {model}'s context; choose a model with a larger one.")
    if status in (400, 422) and _names_form(text):
        return FormRefused(text)
    return ConfigurationError(f"{host} refused the request for {model} (HTTP {status}): {text[:300]}")


def _never_connected(error: BaseException) -> bool:
    cause: BaseException | None = error
    while cause is not None:
        if type(cause).__name__ in ("ConnectError", "ConnectTimeout", "PoolTimeout"):
            return True
        cause = cause.__cause__ or cause.__context__
    return False


_FORM_WORDS = re.compile(
    r"response_format|json_schema|json_object|schema|strict|tool|function|max_tokens|max_completion_tokens"
)


def _names_form(text: str) -> bool:
    return bool(_FORM_WORDS.search(text))


def _server_text(error: "openai.APIStatusError", key: str) -> str:
    try:
        body = error.response.text
    except Exception:
        body = error.message
    clean = " ".join(body.split())
    return clean.replace(key, "***") if key else clean


def _retry_after(headers: Mapping[str, str]) -> float | None:
    try:
        if "retry-after-ms" in headers:
            return max(0.0, float(headers["retry-after-ms"]) / 1000)
        return max(0.0, float(headers["retry-after"]))
    except KeyError:
        return None
    except ValueError:
        pass
    try:
        when = email.utils.parsedate_to_datetime(headers["retry-after"])
        return max(0.0, (when - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None
