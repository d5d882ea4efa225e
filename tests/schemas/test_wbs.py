"""The work: a graph without a broken rule, and items whose keys name just what they depend on."""

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.contract import Contract
from schemas.srs import SRS
from schemas.wbs import WBS, WorkItem, graph_problems, item_spec, package_imports
from tests.builders import srs
from tests.plans import (
    ITEMS,
    MONEY,
    RECEIPT,
    UNITS,
    USES_LINE,
    bodied,
    face,
    graph,
    item,
    specification,
    wbs,
)

R = bodied("r", "() -> int")
DIAMOND = {"w1": (), "w2": (1,), "w3": (1,), "w4": (2, 3), "w5": ()}


def needs(count: int = 6) -> st.SearchStrategy[dict[str, tuple[int, ...]]]:
    """Acyclic graphs: each item builds on some of those before it."""
    below = [st.sets(st.integers(1, n), max_size=3) if n else st.just(set()) for n in range(count)]
    return st.tuples(*below).map(
        lambda sets: {f"w{n}": tuple(sorted(found)) for n, found in enumerate(sets, 1)}
    )


def srs_of(work: WBS, **texts: str) -> SRS:
    """A specification with the criteria of a graph's items."""
    entries = []
    for n in (i.id.removeprefix("WI-") for i in work.items):
        criterion = {"id": f"FR-{n}.1", "text": texts.get(f"w{n}", "It.")}
        entries.append({"id": f"FR-{n}", "text": "It works.", "criteria": [criterion]})
    return srs(requirements=entries)


def with_item(identity: str, **changes: Any) -> WBS:
    """The shop's work with one item changed."""
    return wbs(*(i.model_copy(update=changes) if i.id == identity else i for i in ITEMS))


def with_items(**criteria: tuple[str, ...]) -> WBS:
    """The shop's work with other criteria for some items: `w2=("FR-1.1",)` is for WI-2."""
    chosen = {f"WI-{name[1:]}": found for name, found in criteria.items()}
    return wbs(*(i.model_copy(update={"criteria": chosen.get(i.id, i.criteria)}) for i in ITEMS))


def problems(work: WBS) -> list[str]:
    return graph_problems(work, specification())


def test_the_shops_plan_breaks_no_rule() -> None:
    assert problems(wbs()) == []


def test_items_come_after_what_they_build_on() -> None:
    assert wbs().order() == ("WI-1", "WI-2", "WI-3")
    assert wbs().edges() == (("WI-2", "WI-1"), ("WI-3", "WI-1"), ("WI-3", "WI-2"))


def test_below_is_everything_at_any_distance_in_building_order() -> None:
    work = graph(**DIAMOND)
    found = work.below("WI-4")
    assert (set(found), found[0]) == ({"WI-1", "WI-2", "WI-3"}, "WI-1")
    assert (work.below("WI-2"), work.below("WI-1"), work.below("WI-5")) == (("WI-1",), (), ())


def test_sinks_build_on_others_and_carry_nobody() -> None:
    assert graph(**DIAMOND).sinks() == ("WI-4",)
    assert graph(w1=(), w2=()).sinks() == ()


@given(needs())
def test_order_and_below_agree_with_the_edges(below: dict[str, tuple[int, ...]]) -> None:
    work = graph(**below)
    place = {identity: n for n, identity in enumerate(work.order())}
    assert set(place) == {i.id for i in work.items}
    assert all(place[needed] < place[user] for user, needed in work.edges())
    for one in work.items:
        direct = set(one.depends_on)
        assert set(work.below(one.id)) == direct.union(*(work.below(d) for d in direct))
        assert [place[i] for i in work.below(one.id)] == sorted(place[i] for i in work.below(one.id))
    assert graph_problems(work, srs_of(work)) == []


@pytest.mark.parametrize(
    ("work", "problem"),
    [
        (WBS(epics=(), items=()), "the plan has no work item"),
        (wbs(*ITEMS, ITEMS[1]), "WI-2 occurs twice"),
        (with_item("WI-2", depends_on=("WI-1", "WI-9")), "WI-2 depends on WI-9, which is no other item"),
        (with_item("WI-2", depends_on=("WI-2",)), "WI-2 depends on WI-2, which is no other item"),
        (with_item("WI-2", criteria=("FR-1.1",)), "NFR-1.1 is served by no item"),
        (with_item("WI-2", premises=()), "A1 (Prices are whole cents.) is a premise of no item"),
        (
            with_item("WI-2", premises=("A1", "C1")),
            "C1 is no constraint or assumption of the specification",
        ),
        (
            with_item("WI-2", criteria=("FR-1.1", "NFR-1.1", "FR-9.1")),
            "FR-9.1 is no criterion of the specification",
        ),
        (
            with_items(w2=("FR-1.1", "FR-2.1", "NFR-1.1"), w3=()),
            "WI-3 serves no criterion, so nothing could show that it is needed",
        ),
        (
            with_item("WI-1", criteria=("FR-1.1",)),
            "WI-1 has no function or class, so no test can show FR-1.1",
        ),
        (wbs(*ITEMS, stories=(("WI-1", "WI-2"),)), "WI-3 belongs to no story"),
        (
            wbs(*ITEMS, stories=(("WI-1", "WI-2"), ("WI-2", "WI-3"))),
            "WI-2 belongs to more than one story",
        ),
        (wbs(*ITEMS, stories=(("WI-1", "WI-2", "WI-3", "WI-9"),)), "a story names WI-9, which is no item"),
        (
            with_item("WI-3", contract=face("money", functions=[R])),
            "module money has two owners",
        ),
        (
            with_item("WI-3", contract=face("receipt", functions=[bodied("total", "() -> int")])),
            "public name total is offered by two modules; the package re-exports every name",
        ),
        (
            with_item("WI-3", depends_on=("WI-2",)),
            "WI-3 imports from shop.units, which is not the module of an item that it depends on",
        ),
        (
            with_item("WI-3", contract=face("r", imports=("import shop.taxes",), functions=[R])),
            "WI-3 imports from shop.taxes, which is not the module of an item that it depends on",
        ),
        (
            with_item("WI-3", contract=face("r", imports=("from shop import Line",), functions=[R])),
            "WI-3 imports from shop.__init__, which is not the module of an item that it depends on",
        ),
        (
            with_item(
                "WI-2",
                contract=face("m", imports=("from shop.units import Row",), functions=[R]),
            ),
            "WI-2 imports Row, which units does not offer",
        ),
        (
            with_item("WI-3", contract=face("integration_x", imports=USES_LINE, functions=[R])),
            "module integration_x: names that begin with 'integration' are reserved",
        ),
        (
            with_item("WI-3", contract=RECEIPT.model_copy(update={"package": "store", "imports": ()})),
            "every contract has the same package; found shop, store",
        ),
    ],
)
def test_a_broken_rule_is_named_alone(work: WBS, problem: str) -> None:
    assert problems(work) == [problem]


def test_two_modules_with_the_command_are_one_too_many() -> None:
    main = bodied("main", "(argv: list[str] | None = None) -> int")
    run = bodied("run", "() -> int")
    one = face("money", functions=[main], command="shop")
    other = face("receipt", functions=[{**main}, run], command="shop")
    found = problems(
        wbs(ITEMS[0], item("WI-2", one, ("FR-1.1", "NFR-1.1")), item("WI-3", other, ("FR-2.1",)))
    )
    assert "one module has the command; found money, receipt" in found


@pytest.mark.parametrize("size", [2, 3, 5])
def test_a_cycle_is_named_as_a_path_along_the_dependencies(size: int) -> None:
    work = graph(**{f"w{n}": (n % size + 1,) for n in range(1, size + 1)})
    [problem] = graph_problems(work, srs_of(work))
    told, _, path = problem.partition(": ")
    steps = path.split(" → ")
    assert told == "the dependencies form a cycle"
    assert (steps[0], len(set(steps))) == (steps[-1], size)
    assert all(pair in work.edges() for pair in itertools.pairwise(steps))


def test_names_of_a_types_module_belong_to_its_module() -> None:
    made = face(
        "receipt",
        imports=("from shop.units_types import Line", "import shop.money", "import json, shop.units_types"),
        functions=[bodied("receipt")],
    )
    assert package_imports(made) == [("units", "Line"), ("money", ""), ("units", "")]
    assert package_imports(UNITS) == []


def test_an_item_is_told_its_own_criteria_and_what_it_builds_on() -> None:
    spec = item_spec(wbs(), specification(), "WI-2")
    assert (spec.id, spec.contract, spec.needs) == ("WI-2", MONEY, (UNITS,))
    assert spec.srs is not None
    assert spec.srs.criterion_ids() == ("FR-1.1", "NFR-1.1")
    assert type(spec.srs) is SRS
    assert (spec.srs.title, spec.srs.assumptions) == ("The money", ("Prices are whole cents.",))


def test_an_item_is_told_no_premises_but_its_own() -> None:
    srs = specification(constraints=["Offline.", "Fast."], assumptions=["Whole cents.", "One shop."])
    assert list(srs.premises()) == ["C1", "C2", "A1", "A2"]
    spec = item_spec(with_item("WI-2", premises=("C2", "A1")), srs, "WI-2")
    assert spec.srs is not None
    assert (spec.srs.constraints, spec.srs.assumptions) == (("Fast.",), ("Whole cents.",))


def test_an_item_without_bodies_has_nothing_to_show() -> None:
    spec = item_spec(wbs(), specification(), "WI-1")
    assert (spec.srs, spec.needs) == (None, ())


def test_the_types_in_the_signatures_of_a_dependency_are_told_too() -> None:
    last = item("WI-3", face("receipt", functions=[bodied("receipt", "() -> str")]), ("FR-2.1",), "WI-2")
    spec = item_spec(wbs(ITEMS[0], ITEMS[1], last), specification(), "WI-3")
    assert [c.module for c in spec.needs] == ["units", "money"]


def key(work: WBS, identity: str, srs: SRS | None = None) -> str:
    return item_spec(work, srs or srs_of(work), identity).key()


def changed(work: WBS, identity: str, **contract: Any) -> WBS:
    """The work with a part of an item's contract replaced."""

    def new(one: WorkItem) -> WorkItem:
        if one.id != identity:
            return one
        made = Contract.model_validate({**one.contract.model_dump(), **contract})
        return one.model_copy(update={"contract": made})

    return work.model_copy(update={"items": tuple(map(new, work.items))})


@given(needs(), st.data())
def test_the_key_leaves_out_id_title_complexity_and_other_items(
    below: dict[str, tuple[int, ...]], data: st.DataObject
) -> None:
    work = graph(**below)
    chosen = data.draw(st.sampled_from(work.items))
    spec = item_spec(work, srs_of(work), chosen.id)
    other = {"id": "WI-77", "title": data.draw(st.text(max_size=9)), "complexity": 9}
    assert spec.model_copy(update=other).key() == spec.key()
    cone = {chosen.id, *work.below(chosen.id)}
    alone = work.model_copy(update={"items": tuple(i for i in work.items if i.id in cone)})
    assert key(alone, chosen.id, srs_of(work)) == spec.key()


@given(needs(), st.data())
def test_the_key_changes_with_contract_criterion_and_needed_contracts_alone(
    below: dict[str, tuple[int, ...]], data: st.DataObject
) -> None:
    work = graph(**below)
    chosen, other = (data.draw(st.sampled_from(work.items)) for _ in range(2))
    needed = {chosen.contract.module, *(work.item(i).contract.module for i in chosen.depends_on)}
    before = key(work, chosen.id)
    assert (key(changed(work, other.id, doc="Other."), chosen.id) != before) is (
        other.contract.module in needed
    )
    reworded = srs_of(work, **{f"w{other.id.removeprefix('WI-')}": "Else."})
    assert (key(work, chosen.id, reworded) != before) is (other.id == chosen.id)


@pytest.mark.parametrize("part", ["title", "purpose", "requirements"])
def test_the_key_does_not_change_with_what_the_item_does_not_serve(part: str) -> None:
    changes: dict[str, Any] = {part: "Another"}
    if part == "requirements":
        first, *rest = (r.model_dump() for r in specification().requirements)
        changes = {part: [first | {"text": "Else."}, *rest]}
    other = specification(**changes)
    assert item_spec(wbs(), other, "WI-3").key() == item_spec(wbs(), specification(), "WI-3").key()
