"""The papers of the rehearsal's larger project: its specification, its blueprint and its plan."""

from collections.abc import Iterable

from schemas.answers import DecompositionAnswer
from schemas.blueprint import ArchitecturalDecision, Blueprint, Issue, ModulePlan
from schemas.contract import Contract
from schemas.specification import SourcedRequirement, Specification, StatementId, Term
from schemas.srs import Criterion
from schemas.wbs import Epic, Story, WorkItem
from services.models import formulas
from services.models.synthetic_graph import MODULUS, Graph, module_of


def specification(graph: Graph, title: str, statements: int, settled: tuple[str, ...]) -> Specification:
    """One requirement for each item; the brief's statements are dealt out, `settled` is assumed."""
    return Specification(
        title=title,
        purpose=formulas.PURPOSE,
        requirements=tuple(_requirement(graph, index, statements) for index in graph.indexes()),
        constraints=("Only the standard library is used.",),
        out_of_scope=(),
        assumptions=("Numbers are whole.", *settled),
        glossary=(Term(term="small sum", meaning=f"a whole number, mostly below {MODULUS}"),),
        unserved=(),
        questions=(),
    )


def _requirement(graph: Graph, index: int, statements: int) -> SourcedRequirement:
    name = f"f_{index}"
    text = formulas.statement(name, graph.text(index))
    return SourcedRequirement(
        id=f"FR-{index}",
        text=f"The library offers {name}.",
        criteria=(Criterion(id=f"FR-{index}.1", text=text),),
        sources=_sources(graph, index, statements),
        metric=None,
        target=None,
    )


def _sources(graph: Graph, index: int, statements: int) -> tuple[StatementId, ...]:
    """Each statement goes to one item; where there are fewer statements than items, they go round."""
    if statements < graph.items:
        return (f"S{(index - 1) % statements + 1}",) if statements else ()
    return tuple(f"S{number}" for number in range(index, statements + 1, graph.items))


def blueprint(graph: Graph, title: str, doubted: str = "") -> Blueprint:
    """The modules; or the one issue with a requirement that is doubted, for which it goes back."""
    issue = Issue(
        kind="gap",
        requirements=(doubted,) if doubted else (),
        problem=f"{doubted} leaves open how large its numbers may be.",
        proposal="Say that numbers may have any size.",
    )
    modules = [
        ModulePlan(
            module=module_of(index),
            responsibility=f"Offers f_{index}.",
            needs=tuple(map(module_of, graph.needs(index))),
        )
        for index in graph.indexes()
    ]
    return Blueprint(
        package=formulas.package_of(title),
        command=None,
        modules=() if doubted else tuple(modules),
        dependencies=(),
        decisions=(
            ArchitecturalDecision(
                title="No state", choice="Every function is pure.", why="Its result can be told beforehand."
            ),
        ),
        quality=(),
        testing=("Every function can be called on its own.",),
        issues=(issue,) if doubted else (),
    )


def contract(graph: Graph, package: str, index: int) -> Contract:
    """The public face of an item's module."""
    offered = formulas.function(index, f"Return {graph.text(index)}.")
    return formulas.face(package, module_of(index), f"Offers f_{index}.", [offered])


def decomposition(graph: Graph, package: str, premises: Iterable[str]) -> DecompositionAnswer:
    """One work item for each module, and a story for each layer; the first item is told the premises."""
    stories = [
        Story(title=f"Layer {layer + 1}", items=_ids(graph.members(layer))) for layer in range(graph.depth())
    ]
    return DecompositionAnswer(
        epics=(Epic(title="Small sums", stories=tuple(stories)),),
        items=tuple(
            _item(graph, package, index, tuple(premises) if index == 1 else ()) for index in graph.indexes()
        ),
        gaps=(),
    )


def _item(graph: Graph, package: str, index: int, premises: tuple[str, ...]) -> WorkItem:
    needs = graph.needs(index)
    return WorkItem(
        id=f"WI-{index}",
        title=f"Offer f_{index}",
        criteria=(f"FR-{index}.1",),
        premises=premises,
        contract=contract(graph, package, index),
        depends_on=_ids(needs),
        complexity=1 + len(needs),
    )


def _ids(indexes: Iterable[int]) -> tuple[str, ...]:
    return tuple(f"WI-{index}" for index in indexes)


def cyclic(plan: DecompositionAnswer) -> DecompositionAnswer:
    """The plan with two items that build on each other; a plan of one item is left uncovered."""
    if len(plan.items) < 2:
        return uncovered(plan, 0)
    pairs = [(needed, item.id) for item in plan.items for needed in item.depends_on]
    one, other = pairs[0] if pairs else (plan.items[0].id, plan.items[1].id)
    partner = {one: other, other: one}
    items = [
        item.model_copy(update={"depends_on": tuple(sorted({*item.depends_on, partner[item.id]}))})
        if item.id in partner
        else item
        for item in plan.items
    ]
    return plan.model_copy(update={"items": tuple(items)})


def uncovered(plan: DecompositionAnswer, position: int) -> DecompositionAnswer:
    """The plan with an item whose criterion is forgotten."""
    items = list(plan.items)
    items[position] = items[position].model_copy(update={"criteria": ()})
    return plan.model_copy(update={"items": tuple(items)})
