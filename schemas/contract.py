"""The contract: a module's public face, from which types and stubs are rendered."""

import ast
import builtins
import keyword
import sys
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from schemas.base import Text, Value

Judge = Literal["json", "codec", "handle", "cli", "none"]
_NOT_PYTHON = (SyntaxError, ValueError, RecursionError, MemoryError)


def _expression(text: str) -> str:
    text = text.strip()
    try:
        ast.parse(text, mode="eval")
        ast.parse(f"({text})", mode="eval")
    except _NOT_PYTHON:
        raise ValueError(f"{text[:200]!r} is not a Python expression") from None
    return text


def _annotation(text: str) -> str:
    try:
        ast.parse(f"x: {text} = 0")
    except _NOT_PYTHON:
        raise ValueError(f"{text[:200]!r} is not an annotation such as 'list[str]'") from None
    return text


def _signature(text: str) -> str:
    text = text.strip()
    try:
        tree = ast.parse(f"def f{text}:\n    ...\n")
        ast.unparse(tree)
    except _NOT_PYTHON:
        raise ValueError(
            f"{text[:200]!r} is not a signature such as '(text: str, base: int = 10) -> int'"
        ) from None
    body = tree.body[0]
    if (
        len(tree.body) > 1
        or not isinstance(body, ast.FunctionDef)
        or body.returns is None
        or [ast.unparse(line) for line in body.body] != ["..."]
    ):
        raise ValueError(f"{text[:200]!r} must be one signature with a return type")
    return text


def _import_line(text: str) -> str:
    try:
        body = ast.parse(text).body
    except _NOT_PYTHON:
        raise ValueError(f"{text[:200]!r} is not an import statement") from None
    if len(body) != 1 or not isinstance(body[0], ast.Import | ast.ImportFrom):
        raise ValueError(f"{text!r} must be one import statement")
    return text.strip()


def _identifier(text: str) -> str:
    if not text.isidentifier() or not text.isascii() or keyword.iskeyword(text):
        raise ValueError(f"{text!r} is not a Python name")
    return text


Identifier = Annotated[str, AfterValidator(_identifier)]
Expression = Annotated[str, AfterValidator(_expression)]
Annotation = Annotated[str, AfterValidator(_expression), AfterValidator(_annotation)]
Signature = Annotated[str, AfterValidator(_signature)]
ImportLine = Annotated[str, AfterValidator(_import_line)]
ModuleName = Annotated[
    str, StringConstraints(pattern=r"^[a-z][a-z0-9]*(_[a-z0-9]+)*$"), AfterValidator(_identifier)
]
_TAKEN = ("src", "tests", "test", "pytest", "hypothesis")
Command = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,40}$")]


class Named(Value):
    """A public name and what it is for."""

    name: Identifier
    doc: Text


class Constant(Named):
    """A public constant."""

    annotation: Annotation
    value: Expression


class Member(Value):
    """One member of an enumeration."""

    name: Identifier
    value: Expression


class EnumType(Named):
    """A public enumeration."""

    members: tuple[Member, ...]


class ExceptionType(Named):
    """A public exception."""

    base: Identifier


class DataField(Value):
    """One field of a dataclass."""

    name: Identifier
    annotation: Annotation
    default: Expression | None
    doc: Text


class DataType(Named):
    """A public dataclass without behaviour."""

    frozen: bool
    fields: tuple[DataField, ...]


class Raises(Value):
    """An error that a function raises, and when."""

    error: Expression
    when: Text


class Function(Named):
    """A public function or method."""

    signature: Signature
    raises: tuple[Raises, ...]
    judge: Judge


def parse_signature(function: Function) -> ast.FunctionDef:
    """The function's signature as a syntax tree."""
    tree = ast.parse(f"def {function.name}{function.signature}: ...").body[0]
    if not isinstance(tree, ast.FunctionDef):
        raise TypeError(function.signature)
    return tree


class ClassType(Named):
    """A public class with behaviour; its methods' signatures begin with self, cls or neither."""

    methods: tuple[Function, ...]


def _doubles(names: list[str]) -> list[str]:
    return sorted({name for name in names if names.count(name) > 1})


class Contract(Value):
    """A module's public face."""

    package: ModuleName
    module: ModuleName
    doc: Text
    imports: tuple[ImportLine, ...]
    """Import statements that the annotations and values need."""
    constants: tuple[Constant, ...]
    enums: tuple[EnumType, ...]
    exceptions: tuple[ExceptionType, ...]
    dataclasses: tuple[DataType, ...]
    functions: tuple[Function, ...]
    classes: tuple[ClassType, ...]
    command: Command | None = Field(
        description="name of the command that runs the function main, or null when there is none"
    )

    @model_validator(mode="after")
    def _consistent(self) -> "Contract":
        inner = [[f"{e.name}.{m.name}" for m in e.members] for e in self.enums]
        inner += [[f"{d.name}.{f.name}" for f in d.fields] for d in self.dataclasses]
        inner += [[f"{c.name}.{m.name}" for m in c.methods] for c in self.classes]
        doubles = [name for names in (self.public_names(), *inner) for name in _doubles(names)]
        if doubles:
            raise ValueError(f"names occur twice: {', '.join(doubles)}")
        dunders = [name for name in self.public_names() if name.startswith("__")]
        if dunders:
            raise ValueError(f"names that begin with '__' belong to Python: {', '.join(dunders)}")
        known = {n for n, v in vars(builtins).items() if isinstance(v, type) and issubclass(v, Exception)}
        for exception in self.exceptions:
            if exception.base not in known:
                raise ValueError(
                    f"{exception.name}: base {exception.base!r} is no earlier or built-in exception"
                )
            known.add(exception.name)
        if not self.public_names():
            raise ValueError("a contract needs at least one public name")
        if self.command and "main" not in [f.name for f in self.functions]:
            raise ValueError("a command needs a function main(argv: list[str] | None = None) -> int")
        if self.package in sys.stdlib_module_names or self.package in _TAKEN or self.package.endswith("_"):
            raise ValueError(f"package name {self.package!r} is taken by Python; choose another")
        if self.module in (f"{self.package}_types", "__init__", "__main__") or self.module.endswith("_types"):
            raise ValueError(f"module name {self.module!r} is reserved; choose another")
        return self

    def type_names(self) -> list[str]:
        """The names that Phoenix renders: constants and types."""
        return [e.name for e in (*self.constants, *self.enums, *self.exceptions, *self.dataclasses)]

    def body_names(self) -> list[str]:
        """The names whose bodies a model writes."""
        return [entry.name for entry in (*self.functions, *self.classes)]

    def public_names(self) -> list[str]:
        """Every public name."""
        return self.type_names() + self.body_names()

    def module_path(self) -> str:
        """The path of the implementation."""
        return f"src/{self.package}/{self.module}.py"

    def types_path(self) -> str:
        """The path of the rendered types."""
        return f"src/{self.package}/{self.module}_types.py"
