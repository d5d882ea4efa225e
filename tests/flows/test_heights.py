"""Which work item is furthest from the end."""

from hypothesis import given

from flows.cycle import heights
from tests.plans import graph, wbs
from tests.schemas.test_wbs import needs


def test_the_longest_chain_upwards_counts() -> None:
    work = graph(w1=(), w2=(1,), w3=(2,), w4=(1,), w5=())
    assert heights(work) == {"WI-1": 3, "WI-2": 2, "WI-3": 1, "WI-4": 1, "WI-5": 1}
    assert heights(wbs()) == {"WI-1": 3, "WI-2": 2, "WI-3": 1}


@given(needs())
def test_an_item_is_higher_than_everything_that_builds_on_it(below: dict[str, tuple[int, ...]]) -> None:
    work = graph(**below)
    found = heights(work)
    assert all(found[needed] > found[user] for user, needed in work.edges())
    for one in work.items:
        above = [found[other.id] for other in work.items if one.id in other.depends_on]
        assert found[one.id] == 1 + max(above, default=0)
