"""TRIAGE: how large the work is; rules first, the model where they do not decide."""

import re
from typing import Literal

from agents.ask import Question
from agents.lite import TRIAGE
from schemas.answers import TriageAnswer
from schemas.brief import Brief
from schemas.policy import Mode
from schemas.stages import Intake, Triage
from schemas.stateflow import State
from tasks.context import Work
from tasks.stage import stage

_LARGE = re.compile(
    r"\b(database|web (?:app|service|server)|rest api|http api|microservice|dashboard|authentication|"
    r"multi-user|plugin system|gui)\b",
    re.IGNORECASE,
)
_BEYOND = re.compile(
    r"\b(mobile app|android|ios|iphone|ipad|swift|kotlin|browser extension|kernel (?:driver|module)|"
    r"device driver|firmware|microcontroller|hardware)\b",
    re.IGNORECASE,
)
"""Signs of what is perhaps no Python software."""
_CONCRETE = re.compile(
    r"[`\d]|\b(?:librar(?:y|ies)|package|modules?|functions?|class(?:es)?|commands?|scripts?|tool|parse\w*|"
    r"convert\w*|returns?|calculat\w*|comput\w*|files?|texts?|numbers?|strings?|lists?)\b",
    re.IGNORECASE,
)
"""Signs of something that can be built: a brief without any is perhaps only talk."""


def measure(brief: Brief) -> Intake:
    """The figures of a brief that the triage rules read."""
    prose = re.sub(r"```.*?```", " ", brief.text, flags=re.DOTALL)
    return Intake(
        words=len(re.findall(r"\w+", prose)),
        sentences=len(re.findall(r"[.!?](?:\s|$)", prose)),
        features=len(re.findall(r"^\s*(?:[-*+]|\d+[.)])\s+\S", prose, re.MULTILINE)),
    )


def by_rules(brief: Brief, intake: Intake) -> tuple[int, str] | None:
    """A size and its reason, where figures alone decide; None where a model must."""
    large = sorted({m.lower() for m in _LARGE.findall(brief.text)})
    if _BEYOND.search(brief.text):
        return None
    if intake.words >= 900 or intake.features >= 25:
        return 7, f"{intake.words} words and {intake.features} listed features"
    small = 15 <= intake.words <= 150 and intake.features <= 8
    if small and not large and _CONCRETE.search(brief.text):
        return 2, f"{intake.words} words, {intake.features} listed features and no sign of a larger system"
    return None


@stage(State.INITIALIZING)
async def initialize(work: Work, *, brief: Brief) -> Intake:
    """Take the brief in."""
    return measure(brief)


@stage(State.TRIAGE, agents=(TRIAGE,))
async def triage(work: Work, *, brief: Brief, intake: Intake, mode: Mode, lite_up_to: int) -> Triage:
    """Choose the path; a brief that may want something else than Python software is always looked at."""
    if mode != "auto" and not _BEYOND.search(brief.text):
        return Triage(outcome=mode, size=None, decided_by="user", reasons=(f"the mode is {mode}",))
    ruled = by_rules(brief, intake)
    if ruled:
        size, reason = ruled
        return Triage(outcome=_path(size, lite_up_to), size=size, decided_by="rules", reasons=(reason,))
    question = Question(TRIAGE, "run", {"brief": brief.text}, work.sample)
    answer = await work.desk.ask_json(question, TriageAnswer)
    path = _path(answer.size, lite_up_to) if mode == "auto" else mode
    return Triage(
        outcome=path if answer.clear else "unclear",
        size=answer.size,
        decided_by="model",
        reasons=answer.reasons,
        questions=answer.questions,
    )


def _path(size: int, lite_up_to: int) -> Literal["lite", "full"]:
    return "lite" if size <= lite_up_to else "full"
