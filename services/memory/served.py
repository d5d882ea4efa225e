"""Vectors made by an OpenAI-compatible server."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from schemas.errors import ConfigurationError, Unreachable
from services.memory.vectors import pack, unit
from services.settings import Settings

if TYPE_CHECKING:
    import openai

OPENAI_URL = "https://api.openai.com/v1"
LONGEST = 8000
"""Bytes of a text that are sent: never more tokens than a model takes."""
AT_ONCE = 64
TIMEOUT_S = 30


class ServedEmbedder:
    """One embedding model on one server. It is sent texts, not tokens, which only some servers take."""

    offline = False

    def __init__(self, settings: Settings) -> None:
        self.name = settings.embedding_model
        self._model = settings.embedding_model.partition(":")[2]
        self._url = settings.openai_base_url or OPENAI_URL
        key = settings.openai_api_key.get_secret_value() if settings.openai_api_key else ""
        self._key = key or ("no-key-needed" if settings.openai_base_url else "")

    async def embed(self, texts: Sequence[str]) -> list[bytes]:
        """A vector for each text.

        Raises:
            ConfigurationError: the key or the model's name is missing or refused.
            Unreachable: the server does not answer, or answers no vectors.
        """
        import openai

        if not self._key:
            raise ConfigurationError(
                f"PHOENIX_EMBEDDING_MODEL={self.name} needs a key: set OPENAI_API_KEY, or unset it."
            )
        options = {"api_key": self._key, "base_url": self._url, "timeout": TIMEOUT_S, "max_retries": 1}
        async with openai.AsyncOpenAI(**options) as client:  # type: ignore[arg-type]
            found: list[bytes] = []
            for start in range(0, len(texts), AT_ONCE):
                found += await self._some(client, [_short(t) for t in texts[start : start + AT_ONCE]])
        return found

    async def _some(self, client: "openai.AsyncOpenAI", texts: list[str]) -> list[bytes]:
        import openai

        host = urlsplit(self._url).netloc
        try:
            answer = await client.embeddings.create(model=self._model, input=texts, encoding_format="float")
            vectors = [entry.embedding for entry in sorted(answer.data, key=lambda entry: entry.index)]
            sound = all(len(v) == len(vectors[0]) > 0 and all(map(math.isfinite, v)) for v in vectors)
        except (openai.AuthenticationError, openai.PermissionDeniedError, openai.NotFoundError) as error:
            raise ConfigurationError(
                f"{host} refuses {self.name} (HTTP {error.status_code}). "
                "Check OPENAI_API_KEY and PHOENIX_EMBEDDING_MODEL."
            ) from None
        except (openai.OpenAIError, ValueError, TypeError, AttributeError) as error:
            raise Unreachable(
                f"{host} gives no vectors of {self.name} ({type(error).__name__}). Try again later, "
                "or unset PHOENIX_EMBEDDING_MODEL and type 'phoenix memory rebuild'."
            ) from None
        if len(vectors) != len(texts) or not sound:
            raise Unreachable(
                f"{host} gave {len(vectors)} usable vectors of {self.name} for {len(texts)} texts."
            )
        return [pack(unit(vector)) for vector in vectors]


def _short(text: str) -> str:
    return text.encode()[:LONGEST].decode(errors="ignore")
