"""INITIALIZING and TRIAGE: rules first, the model where they do not decide."""

import json
from typing import Any

import pytest

from schemas.brief import Brief
from schemas.errors import UnusableAnswer
from schemas.policy import Mode
from schemas.stages import Triage
from schemas.stateflow import State
from tasks.triage import by_rules, initialize, measure, triage
from tests.tasks.builders import Script, work_in

SMALL = "Read a text and say how often each word occurs in it. Ties come in the order of the alphabet."


def brief(text: str) -> Brief:
    return Brief(slug="words", title="Words", text=text)


def said(**changes: Any) -> str:
    return json.dumps({"size": 3, "clear": True, "reasons": ["One module."], "questions": []} | changes)


async def triaged(
    text: str, *answers: str, mode: Mode = "auto", lite_up_to: int = 4, sample: int = 0
) -> tuple[Triage, Script]:
    script = Script(triage=list(answers))
    work, told = work_in(State.TRIAGE, script, sample=sample), brief(text)
    found = await triage.body(work, brief=told, intake=measure(told), mode=mode, lite_up_to=lite_up_to)
    return found, script


async def test_taking_a_brief_in_counts_words_sentences_and_listed_features() -> None:
    text = "# Words\n\nCount words. Sort them!\n\n- fast\n- small\n1) first\n"
    intake = await initialize.body(work_in(State.INITIALIZING), brief=brief(text))
    assert (intake.words, intake.sentences, intake.features) == (9, 2, 3)


async def test_a_brief_of_code_alone_counts_nothing_and_no_rule_sizes_it() -> None:
    text = "```\n- one thing. another thing. " + "word " * 1000 + "\n```\n"
    intake = await initialize.body(work_in(State.INITIALIZING), brief=brief(text))
    assert (intake.words, intake.sentences, intake.features) == (0, 0, 0)
    assert by_rules(brief(text), intake) is None


async def test_a_short_brief_that_names_nothing_to_build_is_never_sized_by_rules() -> None:
    talk = "We believe in radical simplicity and in a platform mindset that scales with our ambition. "
    found, script = await triaged(talk * 4, said(clear=False, questions=["What shall it do?"]))
    assert (found.outcome, found.questions) == ("unclear", ("What shall it do?",))
    assert len(script.asked) == 1


async def test_a_small_brief_goes_lite_without_a_model() -> None:
    found, script = await triaged(SMALL)
    assert (found.outcome, found.size, found.decided_by) == ("lite", 2, "rules")
    assert script.asked == []


@pytest.mark.parametrize("text", ["word " * 900, "- a feature\n" * 25])
async def test_a_large_brief_goes_the_full_path_without_a_model(text: str) -> None:
    found, script = await triaged(text)
    assert (found.outcome, found.size, found.decided_by) == ("full", 7, "rules")
    assert script.asked == []


@pytest.mark.parametrize(
    "text", ["Count words.", f"{SMALL} Keep them in a database.", f"{SMALL}\n" + "- x\n" * 9, "word " * 151]
)
async def test_a_brief_that_figures_do_not_decide_is_sized_by_the_model(text: str) -> None:
    found, script = await triaged(text, said(size=6, reasons=["Storage."]), sample=2)
    assert (found.outcome, found.size, found.decided_by) == ("full", 6, "model")
    assert found.reasons == ("Storage.",)
    assert [r.sample for r in script.asked] == [2]
    assert script.told("triage", "brief") == [text]


async def test_an_unclear_brief_goes_to_the_human_with_questions() -> None:
    found, _ = await triaged("Do it.", said(clear=False, questions=["What?"]))
    assert (found.outcome, found.questions) == ("unclear", ("What?",))


async def test_an_unclear_answer_without_questions_is_asked_again() -> None:
    found, script = await triaged("Do it.", said(clear=False), said(clear=False, questions=["What?"]))
    assert found.questions == ("What?",)
    assert "an unclear brief needs at least one question" in script.asked[1].messages[-1].content


async def test_an_answer_that_stays_invalid_is_unusable() -> None:
    with pytest.raises(UnusableAnswer, match="agent triage on run: size"):
        await triaged("Do it.", said(size=11), said(size=0), said(size=99))


@pytest.mark.parametrize("mode", ["lite", "full"])
async def test_a_forced_mode_asks_nobody(mode: Mode) -> None:
    found, script = await triaged("word " * 2000, mode=mode)
    assert (found.outcome, found.size, found.decided_by) == (mode, None, "user")
    assert script.asked == []


@pytest.mark.parametrize("mode", ["auto", "lite", "full"])
async def test_a_wish_for_something_else_than_python_software_is_always_looked_at(mode: Mode) -> None:
    text = f"{SMALL} It is a Kernel Driver."
    refused, _ = await triaged(text, said(clear=False, questions=["As a command?"]), mode=mode)
    assert (refused.outcome, refused.questions) == ("unclear", ("As a command?",))
    taken, _ = await triaged(text, said(), mode=mode)
    assert (taken.outcome, taken.decided_by) == ("lite" if mode == "auto" else mode, "model")


@pytest.mark.parametrize(("size", "lite_up_to", "path"), [(4, 4, "lite"), (5, 4, "full"), (5, 5, "lite")])
async def test_the_policy_says_which_sizes_go_lite(size: int, lite_up_to: int, path: str) -> None:
    found, _ = await triaged("Do it.", said(size=size), lite_up_to=lite_up_to)
    assert found.outcome == path


async def test_the_rules_keep_to_the_policy_too() -> None:
    found, _ = await triaged(SMALL, lite_up_to=1)
    assert (found.outcome, found.size) == ("full", 2)
