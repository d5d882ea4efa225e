"""Mutants: which changes are made, which are not, and that the same text has the same ones."""

import ast
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.mutants import Change, mutants_of
from tests.builders import source

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "schemas").glob("*.py"))


def made(text: str, most: int = 1000) -> tuple[Change, ...]:
    return mutants_of(source("src/a/b.py", text), most)


def said(text: str) -> list[str]:
    return [mutant.change for mutant in made(text)]


@pytest.mark.parametrize(
    ("text", "change"),
    [
        ("def f(a, b):\n    return a < b", "`a < b` became `a <= b`"),
        ("def f(a, b):\n    return a >= b", "`a >= b` became `a > b`"),
        ("def f(a, b):\n    return a == b", "`a == b` became `a != b`"),
        ("def f(a, b):\n    return a is b", "`a is b` became `a is not b`"),
        ("def f(a, b):\n    return a not in b", "`a not in b` became `a in b`"),
        ("def f(a, b):\n    return 1 < a < b", "`1 < a < b` became `1 < a <= b`"),
        ("def f(a, b):\n    return a + b", "`a + b` became `a - b`"),
        ("def f(a, b):\n    return a * b", "`a * b` became `a / b`"),
        ("def f(a, b):\n    return a % b", "`a % b` became `a // b`"),
        ("def f(a, b):\n    a += b\n    return a", "`a += b` became `a -= b`"),
        ("def f(a, b):\n    return a and b", "`a and b` became `a or b`"),
        ("def f(a):\n    return not a", "`not a` became `a`"),
        ("def f():\n    return 5", "`5` became `6`"),
        ("def f():\n    return 0", "`0` became `-1`"),
        ("def f(a=True):\n    return a", "`True` became `False`"),
        ("def f():\n    return 'text'", "`'text'` became `''`"),
        ("def f(a):\n    return 'x' if a else ('y', 2)", "`'y'` became `''`"),
        ("def f(a):\n    return a", "`return a` became `return None`"),
        ("def f(a):\n    if a:\n        return 1", "`if a` became `if not a`"),
        ("def f(a):\n    while a > 1:\n        a -= 1", "`while a > 1` became `while not a > 1`"),
        ("def f(a):\n    return [b for b in a if b]", "`b` became `not b`"),
        ("def f(a):\n    return 2 if a else 3", "`a` became `not a`"),
        ("def f(a):\n    a.append(1)", "`a.append(1)` became `pass`"),
        ("async def f(a):\n    await a.close()", "`await a.close()` became `pass`"),
        ("def f(a, n):\n    return a[:n]", "`n` became `n + 1`"),
        ("def f(a, n):\n    return a[n:]", "`n` became `n - 1`"),
        ("def f(n):\n    return range(n)", "`n` became `n + 1`"),
        ("def f(n):\n    for i in n:\n        if i:\n            break", "`break` became `continue`"),
        ("def f(n):\n    while n:\n        if n:\n            continue", "`continue` became `break`"),
        ("def f(a):\n    return f'{a + 1}'", "`a + 1` became `a - 1`"),
    ],
)
def test_every_kind_of_change_is_made(text: str, change: str) -> None:
    assert change in said(text)


@pytest.mark.parametrize(
    "text",
    [
        '"""A module of 5."""',
        'class A:\n    """Text."""\n    a: int\n    """The 1."""',
        "import a\nfrom b import c",
        "__all__ = ['a', 1]\n__all__ += [2]\n__version__: int = 1",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    a = 1",
        "import typing\nif typing.TYPE_CHECKING:\n    a = 1",
        "if __name__ == '__main__':\n    main(1)",
        "def f(a: 'int | str' = a, *b: X[1]) -> Y[2]:\n    pass",
        "def f():\n    a: Literal[1] | None",
        "def f(a):\n    raise ValueError(f'{a + 1} is not {2}')",
        "def f(a):\n    assert a, 'no' * 5",
        "@dataclass(frozen=True)\nclass A(B[1]):\n    pass",
        "def f(a):\n    g = isinstance(a, int | str)",
        "def f(a):\n    logger.info('x', a + 1)\n    for i in a:\n        logging.warning(1)",
        "def f(a):\n    a = 'x' + a + f'{a}'\n    a += 'y'",
        "def f():\n    ...",
        "def f():\n    return",
        "def f():\n    return None",
        "",
    ],
)
def test_no_useless_change_is_made(text: str) -> None:
    assert said(text) == []


def test_an_endless_loop_is_not_made_of_a_while_with_a_break() -> None:
    assert said("def f():\n    while a():\n        break") == ["`while a()` became `while not a()`"]


def test_what_two_changes_would_do_alike_is_done_once() -> None:
    assert said("def f(a):\n    if not a:\n        pass") == ["`if not a` became `if a`"]
    assert said("def f(a):\n    if a == b:\n        pass") == ["`if a == b` became `if a != b`"]


def test_a_mutant_says_where_it_is_and_holds_the_whole_file() -> None:
    (mutant,) = mutants_of(source("src/a/b.py", "# note\nx = y\n\n\ndef f(a):\n    g(a)\n    h = 'x'\n"), 9)
    assert (mutant.id, mutant.path, mutant.line) == ("M1", "src/a/b.py", 6)
    assert mutant.text == "x = y\n\ndef f(a):\n    pass\n    h = 'x'\n"


def test_a_long_change_is_shown_short() -> None:
    (change,) = said(f"def f():\n    return g({'x' * 200})")
    assert len(change) < 150


def test_the_sample_is_spread_over_the_functions() -> None:
    big = "def big(a):\n" + "".join(f"    a += {n}\n" for n in range(50)) + "    return a\n"
    methods = "class A:\n    def one(self):\n        return 3\n    def two(self):\n        return self.x\n"
    nested = (
        "if big:\n    def last(a):\n        def inner():\n            return a + 1\n        return inner\n"
    )
    text = big + methods + nested
    lines = [m.line for m in made(text, 5)]
    for first, last in ((1, 52), (54, 55), (56, 57), (58, 58), (59, 62)):
        assert sum(first <= line <= last for line in lines) == 1, lines


def test_mutants_are_numbered_in_the_order_of_the_source() -> None:
    found = made(FILES[0].read_text() + FILES[2].read_text(), 20)
    assert [m.id for m in found] == [f"M{n}" for n in range(1, len(found) + 1)]
    assert [m.line for m in found] == sorted(m.line for m in found)


def test_another_text_has_another_sample() -> None:
    text = (ROOT / "schemas/base.py").read_text()
    other = text.replace("65", "66") + "\n# another\n"
    assert [m.change for m in made(text, 5)] == [m.change for m in made(text, 5)]
    assert [m.line for m in made(text, 5)] != [m.line for m in made(other, 5)]


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(FILES), st.integers(0, 12))
def test_mutants_of_real_files_parse_differ_and_are_the_same_again(path: Path, most: int) -> None:
    text = path.read_text()
    found = made(text, most)
    assert found == made(text, most)
    assert len(found) <= most
    dumps = {ast.dump(ast.parse(m.text)) for m in found}
    assert len(dumps) == len(found)
    assert ast.dump(ast.parse(text)) not in dumps


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_mutant_of_a_real_file_is_one_change(path: Path) -> None:
    text = path.read_text()
    whole = ast.unparse(ast.parse(text)).splitlines()
    for mutant in made(text, 25):
        lines = mutant.text.splitlines()
        assert len(lines) == len(whole)
        assert sum(a != b for a, b in zip(lines, whole, strict=True)) == 1
