"""The page: the story's tables and pictures in one HTML text that loads nothing."""

from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from phoenix.report import facts
from phoenix.report.data import Story
from phoenix.report.pictures import plan_picture, states_picture, timeline_picture
from phoenix.report.svg_states import title
from phoenix.report.svg_timeline import duration
from schemas.events import EventKind
from schemas.policy import money
from schemas.stateflow import State

HERE = Path(__file__).parent
LOOKS = {
    State.COMPLETED: "good", State.HALTED: "bad", State.REJECTED: "bad", State.CANCELLED: "bad",
}  # fmt: skip
SAID = {"not_run": "not run", None: "–"}


def render(story: Story) -> str:
    """The whole page."""
    page = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page.filters |= {"money": _money, "duration": duration, "title": title, "said": _said, "when": _when}
    page.filters["count"] = _count
    return page.get_template("page.html.j2").render(_values(story))


def _values(story: Story) -> dict[str, Any]:
    wheel = facts.wheel_verdict(story)
    return {
        "story": story,
        "run": story.run,
        "look": LOOKS.get(story.run.state, "busy"),
        "style": Markup((HERE / "page.css").read_text(encoding="utf-8")),  # nosec B704 - our own file
        "wheel": wheel,
        "tests": Counter(t.outcome for t in wheel.tests) if wheel else None,
        "worked": facts.worked(story),
        "executions": sum(e.kind is EventKind.EXECUTION_OPENED for e in story.events),
        "srs": facts.specification(story),
        "blueprint": facts.blueprint(story),
        "requirements": facts.requirements(story),
        "items": facts.item_lines(story),
        "verdicts": facts.verdict_lines(story),
        "episodes": facts.episodes(story),
        "halts": facts.halts(story),
        "unmeasured": facts.open_questions(story),
        "documents": facts.documents(story),
        "states_svg": Markup(states_picture(story)),  # nosec B704 - escaped where it is drawn
        "timeline_svg": Markup(timeline_picture(story)),  # nosec B704 - escaped where it is drawn
        "plan_svg": Markup(plan_picture(story)),  # nosec B704 - escaped where it is drawn
        "wall": (story.run.ended_at - story.run.opened_at) if story.run.ended_at else None,
    }


def _money(value: Decimal) -> str:
    return money(value)


def _count(value: int | None) -> str:
    return "not counted" if value is None else f"{value:,}".replace(",", "\u202f")


def _said(value: object) -> str:
    return SAID.get(None if value is None else str(value), str(value))


def _when(value: Any) -> str:
    return f"{value:%Y-%m-%d %H:%M:%S} UTC" if value else "–"
