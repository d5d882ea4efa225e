"""The house rules that code can check: who imports whom, who starts programs, what an import costs."""

import ast
import importlib.util
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ORDER = ("schemas", "services", "agents", "tasks", "flows", "phoenix")
FOLDERS = (*ORDER, "migrations")
FILES = sorted(p for folder in FOLDERS for p in (ROOT / folder).rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))

STARTERS = {
    "services/sandbox/": "the sandbox itself: the one place that starts generated code",
    "services/local/": "starts PostgreSQL and the Prefect server: programs that we install",
    "services/toolchain/": "starts uv to install locked tools",
    "services/repository.py": "starts git with a neutral configuration and no hooks",
    "services/judge/trial_driver.py": "runs inside the sandbox, where it forks for each variant",
    "services/artifacts/engine.py": "asks a Docker engine that is there to build an image; never starts one",
    "services/judge/wheel_driver.py": "runs inside the sandbox, where it builds and installs the wheel",
}
"""Who may start programs, and why."""

STARTING = re.compile(
    r"subprocess|multiprocessing|pty|pexpect|os\.(?:system|popen|fork\w*|exec\w+|spawn\w+|posix_spawn\w*)"
    r"|asyncio\.create_subprocess_\w+|\w+\.subprocess_(?:exec|shell)"
)
HEAVY = (
    *("langchain_core", "langchain_openai", "openai", "prefect", "sqlalchemy", "chromadb", "alembic", "rich"),
    *("pydantic_settings", "psycopg", "fastapi", "redis", "limits"),
)


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(path: Path) -> Iterator[str]:
    """The full names of everything that a file imports, at its top or inside a function."""
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            whole = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{whole}.{alias.name}" for alias in node.names)


def docstrings(module: ast.Module) -> set[int]:
    """The ids of the nodes that are strings standing alone: docstrings and docs of fields."""
    return {
        id(n.value) for n in ast.walk(module) if isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant)
    }


def dotted(node: ast.AST) -> str:
    return ast.unparse(node) if isinstance(node, ast.Name | ast.Attribute) else ""


def fresh(code: str) -> None:
    """Run code in a new interpreter of this project; it must say nothing on stderr."""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr


def test_imports_only_point_down() -> None:
    wrong = []
    for path in FILES:
        home = name(path).split("/")[0]
        for imported in imports(path):
            top = imported.split(".")[0]
            if top not in (*FOLDERS, "tests", "examples", "benchmarks") or top == home:
                continue
            if home == "migrations":
                allowed = imported.startswith("services.database")
            else:
                allowed = top in ORDER and ORDER.index(top) < ORDER.index(home)
            if not allowed:
                wrong.append(f"{name(path)} imports {imported}")
    assert wrong == []


def test_agents_know_of_services_only_the_models() -> None:
    used = {i for p in FILES if name(p).startswith("agents/") for i in imports(p) if i.startswith("services")}
    assert {".".join(i.split(".")[:2]) for i in used} == {"services.models"}


def test_only_named_places_start_programs() -> None:
    wrong = []
    for path in FILES:
        if name(path).startswith(tuple(STARTERS)):
            continue
        wrong += [f"{name(path)} imports {i}" for i in imports(path) if STARTING.fullmatch(i.split(".")[0])]
        wrong += [f"{name(path)} imports {i}" for i in imports(path) if STARTING.fullmatch(i)]
        found = {dotted(n) for n in ast.walk(tree(path))}
        wrong += [f"{name(path)} uses {use}" for use in sorted(found) if STARTING.fullmatch(use)]
    assert wrong == []


@pytest.mark.parametrize("place", STARTERS)
def test_every_exception_is_still_needed(place: str) -> None:
    uses = {dotted(n) for p in FILES if name(p).startswith(place) for n in ast.walk(tree(p))}
    brought = {i for p in FILES if name(p).startswith(place) for i in imports(p)}
    assert any(STARTING.fullmatch(u) for u in uses | brought)


def test_no_product_code_evaluates_text() -> None:
    calls = [
        f"{name(path)}:{node.lineno} {node.func.id}"
        for path in FILES
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("eval", "exec")
    ]
    assert calls == []


def names_and_texts(module: ast.Module) -> Iterator[tuple[int, str]]:
    """Every name and every text of a module with its line, but no docstring."""
    prose = docstrings(module)
    for node in ast.walk(module):
        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            yield line, node.value
        for part in ("id", "attr", "arg", "name", "asname"):
            if isinstance(getattr(node, part, None), str):
                yield line, getattr(node, part)


def test_only_the_models_know_the_names_of_played_models() -> None:
    word = re.compile(r"(recorded|rehearsal)(:.*)?|.*\.(recorded|rehearsal)", re.DOTALL)
    wrong = [
        f"{name(path)}:{line} names {said}"
        for path in FILES
        if not name(path).startswith("services/models/")
        for line, said in names_and_texts(tree(path))
        if word.fullmatch(said)
    ]
    assert wrong == []


def test_importing_a_package_does_nothing() -> None:
    packages = ", ".join(ORDER)
    fresh(f"""
import sys
seen = []
def audit(event, args):
    if event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+"):
        seen.append(f"writes {{args[0]}}")
    if event.startswith(("socket.", "subprocess.", "os.system", "os.mkdir", "os.exec", "os.fork")):
        seen.append(event)
sys.dont_write_bytecode = True
sys.addaudithook(audit)
import {packages}
assert not seen, seen
loaded = set({HEAVY!r}) & set(sys.modules)
assert not loaded, loaded
""")


@pytest.mark.parametrize(
    "command", [("--help",), ("--version",), ("build", "--help"), ("demo", "--help"), ("db", "--help"), ()]
)
def test_help_loads_nothing_heavy(command: tuple[str, ...]) -> None:
    fresh(f"""
import contextlib, io, runpy, sys
sys.argv = ["phoenix", *{command!r}]
with contextlib.redirect_stdout(io.StringIO()) as said, contextlib.redirect_stderr(said):
    try:
        runpy.run_module("phoenix.main", run_name="__main__", alter_sys=True)
    except SystemExit as end:
        assert end.code in (0, 2), end.code
assert said.getvalue()
loaded = set({HEAVY!r}) & set(sys.modules)
assert not loaded, loaded
""")


def test_the_installed_command_helps_without_anything_heavy() -> None:
    command = Path(sys.executable).with_name("phoenix")
    fresh(f"""
import contextlib, io, runpy, sys
sys.argv = ["phoenix", "--help"]
with contextlib.redirect_stdout(io.StringIO()) as said:
    try:
        runpy.run_path({str(command)!r}, run_name="__main__")
    except SystemExit as end:
        assert not end.code, end.code
assert "Usage:" in said.getvalue()
loaded = set({HEAVY!r}) & set(sys.modules)
assert not loaded, loaded
""")


def test_no_file_and_no_function_is_long() -> None:
    long = [f"{name(p)}: {n} lines" for p in FILES if (n := len(p.read_text().splitlines())) > 350]
    for path in FILES:
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or 0) - node.lineno + 1
                if length > 70 and not name(path).startswith("migrations/versions/"):
                    long.append(f"{name(path)}:{node.lineno} {node.name}: {length} lines")
    assert long == []


def test_nothing_is_left_to_do() -> None:
    mark = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b")
    everything = [*FILES, *TESTS, *(ROOT / "agents" / "prompts").glob("*.md")]
    assert [name(p) for p in everything if mark.search(p.read_text(encoding="utf-8"))] == []


def test_no_test_is_skipped_or_expected_to_fail() -> None:
    away = re.compile(r"pytest\.(?:mark\.)?(?:skip|skipif|xfail|importorskip|exit)|unittest\.skip\w*")
    wrong = [
        f"{name(path)}:{node.lineno} {ast.unparse(node)}"
        for path in TESTS
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Attribute) and away.fullmatch(ast.unparse(node))
    ]
    wrong += [f"{name(p)} imports {i}" for p in TESTS for i in imports(p) if away.fullmatch(i)]
    assert wrong == []


def test_every_package_and_module_says_what_it_is() -> None:
    assert [name(p) for p in FILES if not ast.get_docstring(tree(p))] == []


def test_nothing_is_installed_that_makes_every_import_of_jsonschema_slow() -> None:
    """The extra format-nongpl of jsonschema builds grammars for two seconds in each process of Prefect."""
    assert importlib.util.find_spec("rfc3987_syntax") is None
