"""Small pieces of SVG: elements with their text escaped, and figures in a form that does not vary."""

from html import escape


def tag(name: str, *inside: str, **attributes: object) -> str:
    """An element; `cls` is its class, an underscore in a name stands for a hyphen."""
    named = {"class" if key == "cls" else key.replace("_", "-"): v for key, v in attributes.items()}
    said = "".join(f' {key}="{escape(_text(v))}"' for key, v in named.items() if v is not None)
    return f"<{name}{said}>{''.join(inside)}</{name}>" if inside else f"<{name}{said}/>"


def words(text: str) -> str:
    """Text inside an element, without what XML cannot hold."""
    return escape("".join(c if c >= " " or c in "\n\t" else "\ufffd" for c in text))


def label(text: str, x: object, y: object, cls: str = "", anchor: str | None = None) -> str:
    """A line of text."""
    return tag("text", words(text) or " ", x=x, y=y, cls=cls or None, text_anchor=anchor)


def tip(text: str) -> str:
    """What is shown while the pointer rests on an element."""
    return tag("title", words(text) or " ")


def short(text: str, most: int) -> str:
    """One line of at most so many characters."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1].rstrip()}…"


def _text(value: object) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
