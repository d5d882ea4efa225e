"""Makes untrusted output safe to show to a person."""


def escape(data: bytes) -> str:
    """The text with control, escape, C1, bidi and invisible characters and broken UTF-8 made visible."""
    text = data.decode("utf-8", errors="backslashreplace")
    return "".join(char if char.isprintable() or char in "\n\t" else _visible(char) for char in text)


def _visible(char: str) -> str:
    return char.encode("unicode_escape").decode()
