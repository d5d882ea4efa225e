"""The small changes that a tree of Python code allows, and the places where one would say nothing."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

SWAPS: dict[type[ast.AST], type[ast.AST]] = {
    **{ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq},
    **{ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In},
    **{ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult},
    **{ast.Mod: ast.FloorDiv, ast.Pow: ast.Mult, ast.LShift: ast.RShift, ast.RShift: ast.LShift},
    **{ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.BitXor: ast.BitAnd},
    **{ast.And: ast.Or, ast.Or: ast.And},
}
"""What an operator becomes."""

_NEGATED_BY_SWAP = (ast.Eq, ast.NotEq, ast.Is, ast.IsNot, ast.In, ast.NotIn)
_CONDITIONS = {
    *((ast.If, "test"), (ast.While, "test"), (ast.IfExp, "test"), (ast.comprehension, "ifs")),
}
_RESULT_PARTS = {ast.IfExp: ("body", "orelse"), ast.BoolOp: ("values",), ast.BinOp: ("left", "right")}
_RESULT_PARTS |= {ast.Tuple: ("elts",), ast.List: ("elts",), ast.Dict: ("values",)}
_SILENT_FIELDS = {"annotation", "returns", "decorator_list", "bases"}
_SILENT_STATEMENTS = ast.Raise | ast.Import | ast.ImportFrom
_TYPE_CALLS = {"isinstance", "issubclass", "cast", "TypeVar"}
_LOGS = {"log", "logger", "logging", "_log", "_logger", "LOG", "LOGGER"}


@dataclass(frozen=True)
class Place:
    """A slot of the tree, and what holds around it."""

    owner: ast.AST
    field: str
    index: int | None
    home: str
    """The function or method, with its classes; empty at the top of the module."""
    inside: bool
    """Whether that is a function."""
    loop: type[ast.AST] | None
    """The kind of the innermost loop."""
    result: bool
    """Whether what stands here is returned, or is a part of it."""


@dataclass(frozen=True)
class Edit:
    """One node to be put in the place of another."""

    place: Place
    old: ast.AST
    new: ast.AST

    def put(self, node: ast.AST) -> None:
        """Set the slot to the old or the new node."""
        if self.place.index is None:
            setattr(self.place.owner, self.place.field, node)
        else:
            getattr(self.place.owner, self.place.field)[self.place.index] = node


def edits(node: ast.AST, around: Place | None = None) -> Iterator[Edit]:
    """Every small change below a node, in the order of the source."""
    around = around or Place(node, "", None, "", False, None, False)
    for field, index, child in _children(node):
        if _silent(node, field, child):
            continue
        place = _inside(replace(around, owner=node, field=field, index=index), child)
        yield from (Edit(place, child, new) for new in _alternatives(child, place))
        yield from edits(child, place)


def _children(node: ast.AST) -> Iterator[tuple[str, int | None, ast.AST]]:
    for field, value in ast.iter_fields(node):
        if isinstance(value, ast.AST):
            yield field, None, value
        elif isinstance(value, list):
            yield from ((field, n, item) for n, item in enumerate(value) if isinstance(item, ast.AST))


def _inside(place: Place, child: ast.AST) -> Place:
    owner, field = place.owner, place.field
    result = isinstance(owner, ast.Return) or (place.result and field in _RESULT_PARTS.get(type(owner), ()))
    place = replace(place, result=result)
    if isinstance(owner, ast.For | ast.AsyncFor | ast.While):
        place = replace(place, loop=type(owner) if field == "body" else place.loop)
    if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not place.inside:
        home = f"{place.home}.{child.name}".removeprefix(".")
        place = replace(place, home=home, inside=not isinstance(child, ast.ClassDef))
    return place


def _silent(node: ast.AST, field: str, child: ast.AST) -> bool:
    """Whether a change there would say nothing about the behaviour, or about nothing but a message."""
    if field in _SILENT_FIELDS or isinstance(child, _SILENT_STATEMENTS) or _is_dunder(child):
        return True
    match node, field:
        case ast.Assert(), "msg":
            return True
        case ast.Call(func=func), "args":
            return _root(func, last=True) in _TYPE_CALLS
        case ast.If(test=test), "test" | "body" if _is_of_the_module(test):
            return True
    value = child.value if isinstance(child, ast.Expr) else child
    alone = child is not value or isinstance(node, ast.Expr)
    return alone and (isinstance(value, ast.Constant) or _is_log(value))


def _alternatives(node: ast.AST, place: Place) -> Iterator[ast.AST]:
    yield from _operators(node)
    yield from _constants(node, place)
    yield from _statements(node, place)
    yield from _by_place(node, place)


def _operators(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.Compare(left=left, ops=ops, comparators=others):
            for n, op in enumerate(ops):
                yield ast.Compare(left, [*ops[:n], _swapped(op), *ops[n + 1 :]], others)
        case ast.BoolOp(op=op, values=values):
            yield ast.BoolOp(_swapped(op), values)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in SWAPS and not _is_text(left, right):
            yield ast.BinOp(left, _swapped(op), right)
        case ast.AugAssign(target=target, op=op, value=value) if type(op) in SWAPS and not _is_text(value):
            yield ast.AugAssign(target, _swapped(op), value)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield operand


def _constants(node: ast.AST, place: Place) -> Iterator[ast.AST]:
    match node:
        case ast.Constant(value=bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(value=int(value)):
            yield from (_number(value + 1), _number(value - 1))
        case ast.Constant(value=str(value)) if value and place.result:
            yield ast.Constant("")


def _statements(node: ast.AST, place: Place) -> Iterator[ast.AST]:
    match node:
        case ast.Return(value=ast.expr() as value) if not _is_none(value):
            yield ast.Return(ast.Constant(None))
        case ast.Expr(value=ast.Call() | ast.Await(value=ast.Call())):
            yield ast.Pass()
        case ast.Continue():
            yield ast.Break()
        case ast.Break() if place.loop is not ast.While:
            yield ast.Continue()


def _by_place(node: ast.AST, place: Place) -> Iterator[ast.AST]:
    """Changes that depend on where a node stands: a condition is negated, a bound is off by one."""
    owner = place.owner
    if not isinstance(node, ast.expr) or isinstance(node, ast.Constant):
        return
    if (type(owner), place.field) in _CONDITIONS and not _has_negation(node):
        yield ast.UnaryOp(ast.Not(), node)
    ranged = isinstance(owner, ast.Call) and place.field == "args" and _root(owner.func) == "range"
    sliced = isinstance(owner, ast.Slice) and place.field in ("lower", "upper")
    counted = isinstance(node, ast.UnaryOp | ast.Starred)
    if (ranged or sliced) and not counted:
        yield ast.BinOp(node, ast.Add(), ast.Constant(1))
        yield ast.BinOp(node, ast.Sub(), ast.Constant(1))


def _swapped(op: ast.AST) -> Any:
    return SWAPS[type(op)]()


def _number(value: int) -> ast.expr:
    return ast.Constant(value) if value >= 0 else ast.UnaryOp(ast.USub(), ast.Constant(-value))


def _has_negation(test: ast.expr) -> bool:
    """Whether negating a condition is what another change does already."""
    if isinstance(test, ast.Compare):
        return len(test.ops) == 1 and isinstance(test.ops[0], _NEGATED_BY_SWAP)
    return isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not)


def _is_text(*nodes: ast.expr) -> bool:
    return any(
        isinstance(n, ast.JoinedStr) or (isinstance(n, ast.Constant) and isinstance(n.value, str | bytes))
        for n in nodes
    )


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _is_log(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and _root(node.func) in _LOGS


def _is_of_the_module(test: ast.expr) -> bool:
    """Whether a condition asks for type checking, or for being the main program."""
    if isinstance(test, ast.Compare):
        return _root(test.left) == "__name__"
    return _root(test, last=True) == "TYPE_CHECKING"


def _is_dunder(statement: ast.AST) -> bool:
    """Whether a statement sets a name such as __all__."""
    match statement:
        case ast.Assign(targets=[ast.Name(id=name), *_]):
            return name.startswith("__")
        case ast.AnnAssign(target=ast.Name(id=name)) | ast.AugAssign(target=ast.Name(id=name)):
            return name.startswith("__")
    return False


def _root(node: ast.AST, last: bool = False) -> str:
    """The first name of a dotted one, or the last."""
    if isinstance(node, ast.Attribute):
        return node.attr if last else _root(node.value)
    return node.id if isinstance(node, ast.Name) else ""
