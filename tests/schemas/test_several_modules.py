"""A package of several contracts: what is rendered can really be imported and run."""

import subprocess
import sys
from pathlib import Path

import pytest

from schemas.base import SourceFile
from schemas.conformance import import_problems
from schemas.render import render_package, rendered_files, stub_files
from tests.builders import contract, small_contract
from tests.plans import MONEY, MONEY_CODE, RECEIPT, RECEIPT_CODE, UNITS, bodied, face

SHOP = (UNITS, MONEY, RECEIPT)


def python(folder: Path, files: tuple[SourceFile, ...], code: str, *arguments: str) -> str:
    """What a new interpreter prints that sees only these files."""
    for file in files:
        path = folder / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(file.text, encoding="utf-8")
    command = [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, 'src')\n{code}", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


def test_stubs_of_several_modules_can_be_imported_and_every_body_is_missing(tmp_path: Path) -> None:
    said = python(
        tmp_path,
        stub_files(*SHOP),
        "import shop, shop.units, shop.units_types\n"
        "assert shop.Line is shop.units.Line is shop.units_types.Line\n"
        "assert shop.Line('tea', 2).cents == 2\n"
        "for call in (shop.total, shop.receipt):\n"
        "    try: call([])\n"
        "    except NotImplementedError: print(call.__name__)\n"
        "print(*shop.__all__)",
    )
    assert said.splitlines() == ["total", "receipt", "Line receipt total"]


def test_written_modules_use_each_other_and_a_module_without_bodies_is_all_rendered(tmp_path: Path) -> None:
    written = (
        SourceFile(path="src/shop/money.py", text=MONEY_CODE),
        SourceFile(path="src/shop/receipt.py", text=RECEIPT_CODE),
    )
    code = "from shop import Line, receipt\nprint(receipt([Line('tea', 250), Line('jam', 399)]))"
    said = python(tmp_path, (*rendered_files(*SHOP), *written), code)
    assert said.splitlines() == ["tea 250", "jam 399", "total 649"]


def test_the_command_of_one_of_several_modules_runs(tmp_path: Path) -> None:
    cli = face("cli", functions=[bodied("main", "(argv: list[str] | None = None) -> int")], command="shop")
    written = SourceFile(path="src/shop/cli.py", text="def main():\n    print('ran')\n    return 0\n")
    files = tuple(f for f in stub_files(UNITS, cli) if f.path != written.path)
    code = "import runpy\ntry: runpy.run_module('shop', run_name='__main__')\n"
    code += "except SystemExit as end: print(end.code)"
    assert python(tmp_path, (*files, written), code).splitlines() == ["ran", "0"]


def test_the_files_of_several_modules_are_told_apart() -> None:
    paths = [f.path for f in rendered_files(*SHOP)]
    assert paths == [
        *("src/shop/__init__.py", "src/shop/py.typed"),
        *("src/shop/units_types.py", "src/shop/units.py"),
    ]
    stubs = [f.path for f in stub_files(*SHOP)]
    assert stubs == [*paths, "src/shop/money.py", "src/shop/receipt.py"]


@pytest.mark.parametrize("several", [SHOP, (contract(),), (small_contract(), small_contract(module="other"))])
def test_no_stub_imports_what_is_not_allowed(several: tuple[object, ...]) -> None:
    made = [c for c in several if isinstance(c, type(UNITS))]
    for file in stub_files(*made):
        assert file.path.endswith("py.typed") or import_problems(file, made[0].package, ()) == []


def test_one_module_lends_the_package_its_words_and_several_do_not() -> None:
    assert render_package(MONEY).startswith('"""The money."""')
    assert render_package(*SHOP).startswith('"""The public names of shop."""')
