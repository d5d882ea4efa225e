"""Whether source code keeps to its contract and to the import policy: read, never run."""

import ast
import sys
from collections.abc import Iterable

from schemas.base import SourceFile
from schemas.contract import Contract, Function, parse_signature
from schemas.render import first_parameter

TEST_TOOLS = frozenset({"pytest", "hypothesis"})
HIDDEN_IMPORTS = frozenset({"importlib", "__import__"})
"""Ways to import that no reader of import statements sees."""


def parse_source(file: SourceFile) -> tuple[ast.Module | None, str]:
    """The file's syntax tree, or None and what is wrong with it."""
    try:
        return ast.parse(file.text, filename=file.path), ""
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None)
        return None, f"{file.path}: not Python{f' (line {line})' if line else ''}: {_first_line(error)}"


def contract_problems(contract: Contract, file: SourceFile) -> list[str]:
    """Where an implementation differs from its contract; empty when it conforms."""
    tree, problem = parse_source(file)
    if tree is None:
        return [problem]
    try:
        return _differences(contract, tree)
    except RecursionError:
        return [f"{file.path}: nested too deeply to be compared with the contract"]


def _differences(contract: Contract, tree: ast.Module) -> list[str]:
    functions = _functions(tree.body)
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    problems = [p for f in contract.functions for p in _function_problems(f, functions.get(f.name), f.name)]
    for wanted in contract.classes:
        found = classes.get(wanted.name)
        if found is None:
            problems.append(f"class {wanted.name} is missing")
            continue
        methods = _functions(found.body)
        for method in wanted.methods:
            problems += _method_problems(method, methods.get(method.name), f"{wanted.name}.{method.name}")
    taken = {*classes, *functions, *_assigned(tree.body)}
    for name in contract.type_names():
        if name in taken:
            problems.append(
                f"{name} must be imported from {contract.package}.{contract.module}_types, not defined again"
            )
    return problems


def _functions(body: list[ast.stmt]) -> dict[str, ast.FunctionDef | ast.AsyncFunctionDef]:
    return {node.name: node for node in body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def _assigned(body: list[ast.stmt]) -> set[str]:
    targets = [t for node in body if isinstance(node, ast.Assign) for t in node.targets]
    targets += [node.target for node in body if isinstance(node, ast.AnnAssign)]
    return {n.id for target in targets for n in ast.walk(target) if isinstance(n, ast.Name)}


def _method_problems(
    wanted: Function, found: ast.FunctionDef | ast.AsyncFunctionDef | None, name: str
) -> list[str]:
    problems = _function_problems(wanted, found, name)
    if found is None or problems:
        return problems
    kind = {"self": set(), "cls": {"classmethod"}}.get(first_parameter(wanted), {"staticmethod"})
    kinds = {"classmethod", "staticmethod", "property", "cached_property"}
    actual = kinds & {ast.unparse(d).split(".")[-1] for d in found.decorator_list}
    if actual != kind and found.name != "__new__":
        return [f"{name} must be decorated as in the stub: {', '.join(sorted(kind)) or 'a plain method'}"]
    return []


def _function_problems(
    wanted: Function, found: ast.FunctionDef | ast.AsyncFunctionDef | None, name: str
) -> list[str]:
    if found is None:
        return [f"def {name}{wanted.signature} is missing"]
    if isinstance(found, ast.AsyncFunctionDef):
        return [f"{name} must be a plain function, not async"]
    if _face(found) != _face(parse_signature(wanted)):
        actual = f"({ast.unparse(found.args)})"
        return [f"{name} has the signature {actual}, the contract says {wanted.signature}"]
    return []


def _face(node: ast.FunctionDef) -> tuple[str, str]:
    return ast.unparse(node.args).replace("'", '"'), ast.unparse(node.returns) if node.returns else ""


def imported_modules(tree: ast.Module) -> dict[str, int]:
    """Top-level names of every absolute import, with a line for each."""
    found: dict[str, int] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                found.setdefault(alias.name.split(".")[0], node.lineno)
        elif isinstance(node, ast.Name) and node.id in HIDDEN_IMPORTS:
            found.setdefault(node.id, node.lineno)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            found.setdefault(node.module.split(".")[0], node.lineno)
    return found


def import_problems(file: SourceFile, package: str, allowed: Iterable[str]) -> list[str]:
    """Imports outside the standard library, the package itself and the allowed names."""
    tree, problem = parse_source(file)
    if tree is None:
        return [problem]
    good = {*sys.stdlib_module_names, package, *allowed} - HIDDEN_IMPORTS
    return [
        f"{file.path}:{line}: import of {name!r} is not allowed (standard library and {package} only)"
        for name, line in sorted(imported_modules(tree).items())
        if name not in good
    ]


def root_import_problems(file: SourceFile, package: str) -> list[str]:
    """Imports of names from the package itself, which would go round in a circle while it is imported."""
    tree, _ = parse_source(file)
    found = [n for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)] if tree else []
    return [
        f"{file.path}:{n.lineno}: import from the module that has the name ({package}.module), "
        "not from the package"
        for n in found
        if (n.module == package and not n.level) or (n.level == 1 and not n.module)
    ]


def complexity(tree: ast.Module) -> int:
    """The largest cyclomatic complexity (McCabe, 1976) of a function in the module."""
    branches = (ast.If, ast.For, ast.While, ast.ExceptHandler, ast.IfExp, ast.BoolOp, ast.comprehension)
    counts = [
        1 + sum(isinstance(inner, branches) for inner in ast.walk(node))
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    return max(counts, default=0)


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
