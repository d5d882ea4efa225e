"""The secrets of this process, and how to take them out of a text."""

import re
from collections.abc import Mapping
from urllib.parse import quote, unquote

from pydantic import BaseModel, SecretStr

MASK = "***"
SHORTEST = 6
"""A shorter value would be found inside ordinary words."""
URL_PASSWORD = re.compile(r"(?P<before>\b[a-zA-Z][\w+.-]*://[^\s/:@'\"]*:)[^\s/'\"]+(?=@)")

_known: set[str] = set()


def remember(value: str) -> None:
    """Take this value out of every text from now on."""
    if len(value) >= SHORTEST:
        _known.update({value, quote(value, safe=""), unquote(value), repr(value)[1:-1]})


def remember_secrets(settings: BaseModel) -> None:
    """Remember every secret of the settings; of a URL its password is the secret."""
    for field in type(settings).model_fields:
        value = getattr(settings, field)
        if not isinstance(value, SecretStr):
            continue
        secret = value.get_secret_value()
        if "://" not in secret:
            remember(secret)
            continue
        user, _, password = secret.split("://", 1)[1].rpartition("@")[0].partition(":")
        if password != user:
            remember(password)


def redact(text: str) -> str:
    """The text without any remembered secret and without passwords in URLs."""
    for secret in sorted(_known, key=len, reverse=True):
        text = text.replace(secret, MASK)
    return URL_PASSWORD.sub(rf"\g<before>{MASK}", text)


def redact_all(value: object) -> object:
    """The same value with every text in it redacted; an object of another kind becomes its redacted text."""
    match value:
        case str():
            return redact(value)
        case None | bool() | int() | float():
            return value
        case Mapping():
            return {redact(str(k)): redact_all(v) for k, v in value.items()}
        case list() | tuple() | set() | frozenset():
            return [redact_all(v) for v in value]
        case _:
            return redact(str(value))
