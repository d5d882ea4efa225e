"""The value every schema builds on: frozen, closed, and named by its digest."""

import hashlib
import json
import re
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
)


class Value(BaseModel):
    """A frozen value with a canonical form."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def digest(self) -> str:
        """The sha-256 of the value's canonical JSON, in hexadecimal."""
        return digest(self)


def canonical_json(value: Any) -> bytes:
    """One byte string for equal values: sorted keys, no spaces, UTF-8 (after RFC 8785; floats refused)."""
    return json.dumps(
        _plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def digest(value: Any) -> str:
    """The sha-256 of a value's canonical JSON, in hexadecimal."""
    return hashlib.sha256(canonical_json(value)).hexdigest()


def text_digest(text: str) -> str:
    """The sha-256 of a text's UTF-8 bytes, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return _plain(value.model_dump(mode="json"))
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        raise TypeError(f"a float has no canonical form: {value!r}; use int, Decimal or str")
    return str(value) if isinstance(value, Decimal) else value


def _relative_path(text: str) -> str:
    path = PurePosixPath(text)
    parts = text.split("/")
    if path.is_absolute() or any(part.lower() in ("", ".", "..", ".git") for part in parts) or len(parts) > 8:
        raise ValueError(f"path {text!r} must be relative, inside the project and at most 8 folders deep")
    if not re.fullmatch(r"[A-Za-z0-9._/-]{1,200}", text):
        raise ValueError(f"path {text!r} may only hold letters, digits, '.', '_', '-' and '/'")
    return text


def _utf8_text(text: str) -> str:
    if "\x00" in text:
        raise ValueError("a text must not hold a NUL character")
    text.encode()
    return text


Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,62}$")]
RelativePath = Annotated[str, AfterValidator(_relative_path)]
Text = Annotated[str, AfterValidator(_utf8_text)]
Money = Annotated[Decimal, Field(ge=0, max_digits=14, decimal_places=8)]

_MONEY: TypeAdapter[Decimal] = TypeAdapter(Money)


def as_money(text: str) -> Decimal | None:
    """The US dollars in a text; None when it holds no amount from 0 up."""
    try:
        return _MONEY.validate_python(text)
    except ValidationError:
        return None


def slugify(title: str) -> str:
    """A slug made from a title; empty when the title holds no letter or digit of ASCII."""
    words = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
    return re.sub(r"^[^a-z]+", "", words)[:63].strip("-")


class SourceFile(Value):
    """One file of a project."""

    path: RelativePath
    text: Text
