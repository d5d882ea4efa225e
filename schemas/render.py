"""What Phoenix writes itself from a contract: types, stub, package and entry point."""

import ast
import textwrap
from collections.abc import Iterable
from itertools import pairwise

from schemas.base import SourceFile
from schemas.contract import ClassType, Constant, Contract, DataType, EnumType, Function, parse_signature

WIDTH = 100


def rendered_files(*contracts: Contract) -> tuple[SourceFile, ...]:
    """Every file of the package that no model writes; a module without bodies is all rendered."""
    package = f"src/{contracts[0].package}"
    files = [
        SourceFile(path=f"{package}/__init__.py", text=render_package(*contracts)),
        SourceFile(path=f"{package}/py.typed", text=""),
    ]
    for contract in contracts:
        if contract.type_names():
            files.append(SourceFile(path=contract.types_path(), text=render_types(contract)))
        if not contract.body_names():
            files.append(SourceFile(path=contract.module_path(), text=render_stub(contract)))
        if contract.command:
            files.append(SourceFile(path=f"{package}/__main__.py", text=render_entry(contract)))
    return tuple(files)


def stub_files(*contracts: Contract) -> tuple[SourceFile, ...]:
    """The package with every body missing."""
    stubs = tuple(SourceFile(path=c.module_path(), text=render_stub(c)) for c in contracts if c.body_names())
    return (*rendered_files(*contracts), *stubs)


def render_package(*contracts: Contract) -> str:
    """The package's __init__.py: it re-exports the public names of every module."""
    first = contracts[0]
    doc = first.doc if len(contracts) == 1 else f"The public names of {first.package}."
    lines = [_doc(doc), ""]
    for contract in contracts:
        bodies, types = sorted(contract.body_names()), sorted(contract.type_names())
        if bodies:
            lines.append(f"from {contract.package}.{contract.module} import {_names(bodies)}")
        if types:
            lines.append(f"from {contract.package}.{contract.module}_types import {_names(types)}")
    names = sorted({name for contract in contracts for name in contract.public_names()})
    exported = "".join(f'    "{name}",\n' for name in names)
    return "\n".join(lines) + f"\n\n__all__ = [\n{exported}]\n"


def render_entry(contract: Contract) -> str:
    """The package's __main__.py."""
    return (
        f'"""Runs {contract.command} with \'python -m {contract.package}\'."""\n\nimport sys\n\n'
        f"from {contract.package}.{contract.module} import main\n\n"
        'if __name__ == "__main__":\n    sys.exit(main())\n'
    )


def render_types(contract: Contract) -> str:
    """The module of constants, enumerations, exceptions and dataclasses."""
    types = {entry.name for entry in (*contract.exceptions, *contract.enums, *contract.dataclasses)}
    standard = []
    if contract.dataclasses:
        fields = any(f.default and _is_mutable(f.default) for d in contract.dataclasses for f in d.fields)
        standard.append("from dataclasses import dataclass" + (", field" if fields else ""))
    if contract.enums:
        standard.append("from enum import Enum")
    blocks = [_doc(f"The types of {contract.module}: {contract.doc}")]
    blocks.append(
        "\n".join(["from __future__ import annotations", "", *_imports(standard, contract.imports)])
    )
    plain = [c for c in contract.constants if not _mentions(c.value, types)]
    blocks += [_constant(c) for c in plain]
    blocks += [_exception(e.name, e.base, e.doc) for e in contract.exceptions]
    blocks += [_enum(e) for e in contract.enums]
    blocks += [_dataclass(d) for d in contract.dataclasses]
    blocks += [_constant(c) for c in contract.constants if c not in plain]
    return "\n\n".join(block for block in blocks if block) + "\n"


def render_stub(contract: Contract) -> str:
    """The implementation with every body replaced by NotImplementedError."""
    blocks = [_doc(contract.doc)]
    imports = _imports(["from __future__ import annotations", ""], contract.imports)
    if contract.type_names():
        names = _names(sorted(contract.type_names()))
        imports += ["", f"from {contract.package}.{contract.module}_types import {names}"]
    blocks.append("\n".join(imports))
    blocks += [_function(f, "") for f in contract.functions]
    blocks += [_class(c) for c in contract.classes]
    if not contract.body_names():
        exported = "".join(f'    "{name}",\n' for name in sorted(contract.type_names()))
        blocks.append(f"__all__ = [\n{exported}]")
    return _laid_out(blocks)


def _laid_out(blocks: list[str]) -> str:
    """Blocks with two empty lines around a definition and one elsewhere (PEP 8)."""
    text = blocks[0]
    for before, block in pairwise(blocks):
        defines = any(b.startswith(("class ", "def ", "@")) for b in (before, block))
        text += ("\n\n\n" if defines else "\n\n") + block
    return text + "\n"


def _imports(standard: Iterable[str], wanted: Iterable[str]) -> list[str]:
    later = sorted(line for line in set(wanted) if not line.startswith("from __future__ "))
    return list(dict.fromkeys([*standard, *later]))


def _names(names: list[str]) -> str:
    line = ", ".join(names)
    if len(line) <= 60:
        return line
    return "(\n" + "".join(f"    {name},\n" for name in names) + ")"


def _doc(text: str, indent: str = "") -> str:
    clean = text.strip().replace("\\", "\\\\").replace('"""', "'''")
    lines = _wrapped(clean, WIDTH - len(indent)) or [""]
    if len(lines) == 1:
        return f'{indent}"""{lines[0]}{" " if lines[0].endswith(chr(34)) else ""}"""'
    rest = "\n".join(f"{indent}{line}" if line else "" for line in lines[1:])
    return f'{indent}"""{lines[0]}\n{rest}\n{indent}"""'


def _wrapped(text: str, width: int) -> list[str]:
    """Prose in lines of a width; examples, indented lines and lines with runs of spaces stay as they are."""
    lines: list[str] = []
    example = False
    for line in (raw.rstrip() for raw in text.splitlines()):
        example = line.startswith(">>>") or (example and bool(line))
        if example or len(line) <= width or line.startswith((" ", "\t")) or "  " in line:
            lines.append(line)
        else:
            lines += textwrap.wrap(line, width, break_long_words=False, break_on_hyphens=False)
    return lines


def _mentions(expression: str, names: set[str]) -> bool:
    return any(isinstance(n, ast.Name) and n.id in names for n in ast.walk(ast.parse(expression)))


def _constant(constant: Constant) -> str:
    return f"{constant.name}: {constant.annotation} = {constant.value}\n{_doc(constant.doc)}"


def _exception(name: str, base: str, doc: str) -> str:
    return f"class {name}({base}):\n{_doc(doc, '    ')}"


def _enum(entry: EnumType) -> str:
    members = "\n".join(f"    {m.name} = {m.value}" for m in entry.members)
    return f"class {entry.name}(Enum):\n{_doc(entry.doc, '    ')}\n\n{members}"


def _dataclass(entry: DataType) -> str:
    lines = [f"@dataclass(frozen={entry.frozen})", f"class {entry.name}:", _doc(entry.doc, "    "), ""]
    for item in entry.fields:
        default = f" = {_default(item.default)}" if item.default is not None else ""
        lines += [f"    {item.name}: {item.annotation}{default}", _doc(item.doc, "    ")]
    return "\n".join(lines)


def _is_mutable(expression: str) -> bool:
    return isinstance(ast.parse(expression, mode="eval").body, ast.List | ast.Dict | ast.Set)


def _default(expression: str) -> str:
    return f"field(default_factory=lambda: {expression})" if _is_mutable(expression) else expression


def _function(function: Function, indent: str) -> str:
    doc = function.doc.strip()
    if function.raises:
        width = WIDTH - len(indent) - 4
        lines = [
            textwrap.fill(
                f"{r.error}: {r.when}",
                width,
                initial_indent=" " * 4,
                subsequent_indent=" " * 8,
                break_long_words=False,
                break_on_hyphens=False,
            )
            for r in function.raises
        ]
        doc += "\n\nRaises:\n" + "\n".join(lines)
    lines = [_decorator(function, indent), f"{indent}def {function.name}{function.signature}:"]
    lines += [_doc(doc, indent + "    "), f"{indent}    raise NotImplementedError"]
    return "\n".join(line for line in lines if line)


def _decorator(function: Function, indent: str) -> str:
    first = first_parameter(function)
    if not indent or first == "self":
        return ""
    return f"{indent}@classmethod" if first == "cls" else f"{indent}@staticmethod"


def first_parameter(function: Function) -> str:
    """The name of a function's first parameter; empty when it has none."""
    arguments = parse_signature(function).args
    names = [a.arg for a in (*arguments.posonlyargs, *arguments.args)]
    return names[0] if names else ""


def _class(entry: ClassType) -> str:
    methods = "\n\n".join(_function(m, "    ") for m in entry.methods)
    return f"class {entry.name}:\n{_doc(entry.doc, '    ')}\n\n{methods}"
