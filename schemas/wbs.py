"""The work breakdown structure: epics, stories and work items with contracts, and its dependency graph."""

import ast
from collections.abc import Iterable
from graphlib import CycleError, TopologicalSorter
from typing import Annotated

from pydantic import Field, StringConstraints

from schemas.base import Text, Value, digest
from schemas.contract import Contract
from schemas.srs import SRS, CriterionId, Requirement

ItemId = Annotated[str, StringConstraints(pattern=r"^WI-[1-9][0-9]{0,3}$")]
PremiseId = Annotated[str, StringConstraints(pattern=r"^[CA][1-9][0-9]{0,2}$")]


class WorkItem(Value):
    """One module to be made: what it serves, its public face, and what it builds on."""

    id: ItemId
    title: Text
    criteria: tuple[CriterionId, ...]
    """The acceptance criteria that this item's own tests must show."""
    premises: tuple[PremiseId, ...]
    """The constraints and assumptions of the specification that its makers must know."""
    contract: Contract
    depends_on: tuple[ItemId, ...]
    complexity: int = Field(ge=1, le=10)


class Story(Value):
    """What a user can do once its items are done."""

    title: Text
    items: tuple[ItemId, ...]


class Epic(Value):
    """A large part of the work."""

    title: Text
    stories: tuple[Story, ...]


class WBS(Value):
    """The whole work."""

    epics: tuple[Epic, ...]
    items: tuple[WorkItem, ...]

    def item(self, identity: str) -> WorkItem:
        """The item with an id."""
        return next(item for item in self.items if item.id == identity)

    def contracts(self) -> tuple[Contract, ...]:
        """Every item's contract, in the items' order."""
        return tuple(item.contract for item in self.items)

    def edges(self) -> tuple[tuple[str, str], ...]:
        """Every dependency as (item, what it builds on)."""
        return tuple((item.id, needed) for item in self.items for needed in item.depends_on)

    def order(self) -> tuple[str, ...]:
        """The ids so that each comes after what it builds on.

        Raises:
            graphlib.CycleError: the dependencies form a cycle.
        """
        return tuple(TopologicalSorter({i.id: i.depends_on for i in self.items}).static_order())

    def below(self, identity: str) -> tuple[str, ...]:
        """Everything that an item builds on, at any distance, in building order."""
        found: set[str] = set()
        waiting = list(self.item(identity).depends_on)
        while waiting:
            needed = waiting.pop()
            if needed not in found:
                found.add(needed)
                waiting += self.item(needed).depends_on
        return tuple(i for i in self.order() if i in found)

    def sinks(self) -> tuple[str, ...]:
        """The items that build on others and on which nothing builds."""
        used = {needed for _, needed in self.edges()}
        return tuple(item.id for item in self.items if item.depends_on and item.id not in used)


class ItemSpec(Value):
    """All that an item's agents are told: its answer depends on nothing else."""

    id: ItemId
    title: Text
    contract: Contract
    srs: SRS | None
    """The requirements that it serves, with just the criteria that its tests must show; None: no bodies."""
    needs: tuple[Contract, ...]
    """The contracts that it builds on, and those whose types their signatures use."""
    complexity: int

    def key(self) -> str:
        """The digest that names the item: its contract, what it serves and what it builds on, not its id."""
        served = (self.srs.requirements, self.srs.constraints, self.srs.assumptions) if self.srs else ()
        return digest({"contract": self.contract, "served": served, "needs": self.needs})


def item_spec(wbs: WBS, srs: SRS, identity: str) -> ItemSpec:
    """What the agents of an item are told."""
    item = wbs.item(identity)
    by_module = {i.contract.module: i.contract for i in wbs.items}
    needed: dict[str, Contract] = {}
    waiting = [wbs.item(d).contract.module for d in item.depends_on]
    while waiting:
        module = waiting.pop()
        if module not in needed:
            needed[module] = by_module[module]
            waiting += [m for m, _ in package_imports(by_module[module]) if m in by_module]
    return ItemSpec(
        id=item.id,
        title=item.title,
        contract=item.contract,
        srs=_part(srs, item),
        needs=tuple(i.contract for i in wbs.items if i.contract.module in needed),
        complexity=item.complexity,
    )


def _part(srs: SRS, item: WorkItem) -> SRS | None:
    """The part of a specification that an item serves."""
    served = [
        Requirement(id=r.id, text=r.text, criteria=kept)
        for r in srs.requirements
        if (kept := tuple(c for c in r.criteria if c.id in item.criteria))
    ]
    if not served:
        return None
    return SRS(
        title=item.title,
        purpose=item.contract.doc,
        requirements=tuple(served),
        constraints=_told(srs, item, "C"),
        out_of_scope=(),
        assumptions=_told(srs, item, "A"),
    )


def _told(srs: SRS, item: WorkItem, letter: str) -> tuple[str, ...]:
    return tuple(text for i, text in srs.premises().items() if i in item.premises and i.startswith(letter))


def package_imports(contract: Contract) -> list[tuple[str, str]]:
    """What a contract imports from its own package: (module, name), types modules under their module."""
    found = []
    for line in contract.imports:
        node = ast.parse(line).body[0]
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == contract.package:
            module = (node.module or "").partition(".")[2].removesuffix("_types")
            found += [(module, alias.name) for alias in node.names]
        elif isinstance(node, ast.Import):
            found += [
                (alias.name.partition(".")[2].removesuffix("_types"), "")
                for alias in node.names
                if alias.name.split(".")[0] == contract.package
            ]
    return found


def graph_problems(wbs: WBS, srs: SRS) -> list[str]:
    """Why a plan cannot be worked on: cycles, gaps, doubled owners, broken contracts between items."""
    ids = [item.id for item in wbs.items]
    problems = [f"{i} occurs twice" for i in sorted({i for i in ids if ids.count(i) > 1})]
    problems += [
        f"{a} depends on {b}, which is no other item" for a, b in wbs.edges() if b not in ids or a == b
    ]
    if not ids:
        return ["the plan has no work item"]
    if problems:
        return problems
    try:
        wbs.order()
    except CycleError as error:
        return [f"the dependencies form a cycle: {' → '.join(reversed(error.args[1]))}"]
    return [
        *_coverage_problems(wbs, srs),
        *_story_problems(wbs),
        *_owner_problems(wbs.contracts()),
        *(p for item in wbs.items for p in _import_problems(wbs, item)),
    ]


def _coverage_problems(wbs: WBS, srs: SRS) -> list[str]:
    known = set(srs.criterion_ids())
    taken = {c for item in wbs.items for c in item.criteria}
    problems = [f"{c} is served by no item" for c in srs.criterion_ids() if c not in taken]
    problems += [f"{c} is no criterion of the specification" for c in sorted(taken - known)]
    premises, told = srs.premises(), {p for item in wbs.items for p in item.premises}
    problems += [f"{p} ({premises[p]}) is a premise of no item" for p in premises if p not in told]
    problems += [
        f"{p} is no constraint or assumption of the specification" for p in sorted(told - set(premises))
    ]
    for item in wbs.items:
        bodies = bool(item.contract.body_names())
        if bodies and not item.criteria:
            problems.append(f"{item.id} serves no criterion, so nothing could show that it is needed")
        if not bodies and item.criteria:
            problems.append(f"{item.id} has no function or class, so no test can show {item.criteria[0]}")
    return problems


def _story_problems(wbs: WBS) -> list[str]:
    told = [i for epic in wbs.epics for story in epic.stories for i in story.items]
    problems = [f"{item.id} belongs to no story" for item in wbs.items if item.id not in told]
    problems += [
        f"{i} belongs to more than one story" for i in sorted({i for i in told if told.count(i) > 1})
    ]
    known = {item.id for item in wbs.items}
    return problems + [f"a story names {i}, which is no item" for i in sorted(set(told) - known)]


def _owner_problems(contracts: tuple[Contract, ...]) -> list[str]:
    problems = _twice("module", [c.module for c in contracts], "has two owners")
    names = [n for c in contracts for n in c.public_names()]
    problems += _twice("public name", names, "is offered by two modules; the package re-exports every name")
    packages = sorted({c.package for c in contracts})
    if len(packages) > 1:
        problems.append(f"every contract has the same package; found {', '.join(packages)}")
    commands = [c.module for c in contracts if c.command]
    if len(commands) > 1:
        problems.append(f"one module has the command; found {', '.join(commands)}")
    problems += [
        f"module {c.module}: names that begin with 'integration' are reserved"
        for c in contracts
        if c.module.startswith("integration")
    ]
    return problems


def _twice(kind: str, names: Iterable[str], rule: str) -> list[str]:
    listed = list(names)
    return [f"{kind} {n} {rule}" for n in sorted({n for n in listed if listed.count(n) > 1})]


def _import_problems(wbs: WBS, item: WorkItem) -> list[str]:
    below = [wbs.item(i).contract for i in item.depends_on]
    offered = {contract.module: contract for contract in below}
    problems = []
    for module, name in package_imports(item.contract):
        if module not in offered:
            problems.append(
                f"{item.id} imports from {item.contract.package}.{module or '__init__'}, "
                "which is not the module of an item that it depends on"
            )
        elif name and name not in offered[module].public_names():
            problems.append(f"{item.id} imports {name}, which {module} does not offer")
    return problems
