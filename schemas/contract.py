"""The contract: a module's public face, from which types and stubs are rendered."""

import ast
import keyword
import sys
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from schemas.base import Value

Judge = Literal["json", "codec", "handle", "cli", "none"]


def _expression(text: str) -> str:
    try:
        ast.parse(text, mode="eval")
    except (SyntaxError, ValueError):
        raise ValueError(f"{text!r} is not a Python expression") from None
    return text.strip()


def _signature(text: str) -> str:
    try:
        tree = ast.parse(f"def f{text}: ...")
    except (SyntaxError, ValueError):
        raise ValueError(
            f"{text!r} is not a signature such as '(text: str, base: int = 10) -> int'"
        ) from None
    if len(tree.body) != 1 or not isinstance(tree.body[0], ast.FunctionDef) or tree.body[0].returns is None:
        raise ValueError(f"{text!r} must be one signature with a return type")
    return text.strip()


def _import_line(text: str) -> str:
    try:
        body = ast.parse(text).body
    except (SyntaxError, ValueError):
        raise ValueError(f"{text!r} is not an import statement") from None
    if len(body) != 1 or not isinstance(body[0], ast.Import | ast.ImportFrom):
        raise ValueError(f"{text!r} must be one import statement")
    return text.strip()


def _identifier(text: str) -> str:
    if not text.isidentifier() or not text.isascii() or keyword.iskeyword(text):
        raise ValueError(f"{text!r} is not a Python name")
    return text


Identifier = Annotated[str, AfterValidator(_identifier)]
Expression = Annotated[str, AfterValidator(_expression)]
Signature = Annotated[str, AfterValidator(_signature)]
ImportLine = Annotated[str, AfterValidator(_import_line)]
ModuleName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$"), AfterValidator(_identifier)]
Command = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,40}$")]


class Named(Value):
    """A public name and what it is for."""

    name: Identifier
    doc: str


class Constant(Named):
    """A public constant."""

    annotation: Expression
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
    annotation: Expression
    default: Expression | None
    doc: str


class DataType(Named):
    """A public dataclass without behaviour."""

    frozen: bool
    fields: tuple[DataField, ...]


class Raises(Value):
    """An error that a function raises, and when."""

    error: Expression
    when: str


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


class Contract(Value):
    """A module's public face."""

    package: ModuleName
    module: ModuleName
    doc: str
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
        names = self.public_names()
        doubles = sorted({name for name in names if names.count(name) > 1})
        if doubles:
            raise ValueError(f"names occur twice: {', '.join(doubles)}")
        if not (self.functions or self.classes):
            raise ValueError("a contract needs at least one function or class")
        if self.command and "main" not in [f.name for f in self.functions]:
            raise ValueError("a command needs a function main(argv: list[str] | None = None) -> int")
        if self.package in sys.stdlib_module_names or self.package in ("src", "tests", "test"):
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
