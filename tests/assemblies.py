"""A project of two modules whose every text tries to break the page that it is on."""

from typing import Any

from schemas.contract import Contract
from schemas.stages import Assembly
from tests.builders import CONTRACT, contract, function, small_contract, source, srs, suite

NASTY = (
    "Read `one`, ``two``, *three, **four** and __five__ | six_ <b>seven</b> & eight [nine](ten.md) [11]_.\n"
    ">>> f('`')\n'*'\n\n    indented `code\n  less |so|\n\nRaises:\n    ValueError: when * is | there\n\n"
    "- a list: `x`*y*\n  goes on_\n1. one\n\n.. danger:: none\n\n====\nTitle?\n====\n\n:field: value::\n\n"
    "```\nopen fence with ```` inside\n\n| a | b |\n|---|\n\n+--+\n|  |\n\n-x  option\n/V slash\n\n"
    "A. letter\n(i) roman\n"
)
PIECES = (
    *(
        "`",
        "``",
        "```",
        "*",
        "**",
        "_",
        "__",
        "|",
        "||",
        "\\",
        "\\\\`",
        "<script>alert(1)</script>",
        "&amp;",
        "::",
    ),
    *(
        ":py:class:`x`",
        "`a <b_>`_",
        "|sub|",
        "[1]_",
        "[TOC]",
        "{{ x }}",
        "{% raw %}",
        "---",
        "# x",
        "\t\tx",
        " ",
    ),
    *(
        "http://x.y/_z",
        "![a](b.png)",
        "[a]: b",
        ".. include:: /etc/passwd",
        "a\x02b\x03",
        "\u2028",
        "\x85",
        "\ufeff",
    ),
    *(
        "é 日本 \U0001f600",
        "\u202eabc",
        "x_",
        "_x",
        "`x`_",
        "`x`y",
        "x`y`",
        "''",
        '"""',
        "$x",
        "%(x)s",
        "\r\n",
        "!!x",
    ),
    *(
        "~~~",
        "~~~\nx",
        "```python\nx",
        "    ",
        "* ",
        "- ",
        "-",
        "1.",
        "1)",
        "a.",
        "(a)",
        "#.",
        ">>>",
        ">>> ",
        "...",
        "",
    ),
)
"""Texts that mean something in Markdown, reStructuredText, YAML or a template."""


_DOUBLING = """def double(number: int) -> int:
    return number * 2


def main(argv: list[str] | None = None) -> int:
    print(double(21))
    return 0
"""


def nasty_functions(*docs: str) -> list[dict[str, Any]]:
    """One function for each doc, with the doc in every place that takes a text."""
    quoted = (
        '(a: "list[str]" = ["`", "|", "*"], /, *b: int, c: str = "__`x`__", **d: object) -> dict[str, int]'
    )
    return [
        function(name=f"f{n}_", doc=doc, signature=quoted, raises=[{"error": "ValueError", "when": doc}])
        for n, doc in enumerate(docs)
    ]


def nasty_contract(*docs: str) -> Contract:
    """A contract with every kind of name, each said to be what breaks pages."""
    fields = [{"name": f"x{n}_", "annotation": "str", "default": None, "doc": d} for n, d in enumerate(docs)]
    return contract(
        doc=NASTY,
        constants=[{**c, "doc": NASTY} for c in CONTRACT["constants"]],
        enums=[{**e, "doc": NASTY} for e in CONTRACT["enums"]],
        exceptions=[{**e, "doc": NASTY} for e in CONTRACT["exceptions"]],
        dataclasses=[{**d, "doc": NASTY, "fields": fields or d["fields"]} for d in CONTRACT["dataclasses"]],
        functions=[*nasty_functions(NASTY, *docs), *CONTRACT["functions"]],
        classes=[{**c, "doc": NASTY} for c in CONTRACT["classes"]],
    )


def nasty_assembly() -> Assembly:
    """Two modules, a README and a specification that hold every piece."""
    lines = [f"{piece} between {piece} and{piece}" for piece in PIECES]
    entry = {
        "id": "FR-1",
        "text": NASTY,
        "criteria": [{"id": f"FR-1.{n}", "text": t} for n, t in enumerate(lines, 1)],
    }
    other = nasty_contract().model_copy(update={"module": "writing", "command": None})
    headings = "### three\n\n# one\n\n## two *x* `y`\n\n#### four\n\n" + "\n\n".join(
        f"## {p}" for p in PIECES
    )
    return Assembly(
        srs=srs(title=NASTY, purpose=NASTY, requirements=[entry], constraints=lines, assumptions=[NASTY]),
        contracts=(nasty_contract(*PIECES, *lines, "\n\n".join(lines), "\n".join(PIECES)), other),
        suite=suite(),
        code=(source("src/weights/parsing.py", "x = 1\n"), source("src/weights/__init__.py", "")),
        readme=source("README.md", f"# Weights\n\n{NASTY}\n\n{headings}\n"),
        killed={},
    )


def small_assembly(**changes: Any) -> Assembly:
    """A library of one function."""
    made = small_contract(**changes)
    return Assembly(
        srs=srs(),
        contracts=(made,),
        suite=suite(source("tests/test_a.py", "def test_a(): ...\n")),
        code=(
            source("src/twice/__init__.py", "from twice.doubling import double as double\n"),
            source("src/twice/doubling.py", _DOUBLING),
        ),
        readme=source("README.md", "# Twice\n\nDoubles numbers.\n"),
        killed={},
    )
