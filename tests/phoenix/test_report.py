"""The report and the history of runs on real services."""

import asyncio
import json
import re
from pathlib import Path

import pytest

from phoenix.build import reported
from phoenix.report import facts
from phoenix.report.data import gather, visits_of
from phoenix.report.page import render
from schemas.answered import ANSWERS
from schemas.stateflow import STAGES
from services.database import Database, ledger
from services.database.usage import AgentUsage, usage_by_agent
from tests.phoenix import full_story
from tests.phoenix.command import phoenix
from tests.platform import BRIEF, Platform

MODEL = ("--model", "rehearsal:seed=7", "--approve", "auto", "--json")
HOSTILE = '<script>alert("x")</script>'
LOADS = re.compile(r"""(?:src|href|action|data|srcset)\s*=\s*["']?+(?!#|data:,)|url\((?!#)|@import""")


def loads_nothing(page: str) -> bool:
    """Whether no tag and no style of the page names a place outside it."""
    tags = "".join(re.findall(r"<[a-zA-Z][^>]*>", page)) + "".join(
        re.findall(r"<style>(.*?)</style>", page, re.S)
    )
    return not LOADS.search(tags) and "<script" not in page


def test_every_stage_has_the_form_of_its_answer() -> None:
    assert set(ANSWERS) == STAGES


@pytest.mark.services
def test_the_report_of_a_lite_run_holds_the_numbers_of_its_result(
    served: dict[str, str], brief: str, tmp_path: Path, platform: Platform
) -> None:
    result = json.loads(phoenix("build", brief, *MODEL, env=served).out)
    assert result["report"] == str(tmp_path / "home" / "reports" / f"{result['run']}.html")
    page = Path(result["report"]).read_text()
    assert loads_nothing(page)
    assert f"{result['verdicts']['passed']} of {result['verdicts']['tests']} passed" in page
    assert f"{result['models']['calls']} calls, {result['models']['replayed']} from the ledger" in page
    said = ("Tiny Sums", "Completed", result["release"]["commit"][:12], "by policy")
    for text in (*said, "Test coverage: not measured", "Audit on fresh inputs: not run."):
        assert text in page
    used = asyncio.run(by_agent(platform, result["run"]))
    assert sum(u.calls for u in used) == result["models"]["calls"]
    assert sum(u.input_tokens or 0 for u in used) == result["models"]["input_tokens"]
    assert {u.tier for u in used} <= {"fast", "standard", "strong"}
    wanted = tmp_path / "mine.html"
    done = phoenix("report", "tiny-sums", "--output", str(wanted), env=served)
    assert (done.code, done.out, wanted.read_text()) == (0, f"{wanted}\n", page)
    told = json.loads(phoenix("report", result["run"], "--json", env=served).out)
    assert told == {"report": result["report"]}
    blocked = phoenix("report", "tiny-sums", "--output", str(tmp_path / "no" / "where.html"), env=served)
    assert (blocked.code, blocked.out) == (2, "")


async def by_agent(platform: Platform, run: str) -> list[AgentUsage]:
    """The run's usage by agent."""
    async with platform.database() as database, database.transaction() as conn:
        return await usage_by_agent(conn, run)


@pytest.mark.services
def test_an_unknown_run_or_project_is_one_line(served: dict[str, str]) -> None:
    for command in ("report", "history"):
        done = phoenix(command, "no-such-thing", env=served)
        assert (done.code, done.out, len(done.err.strip().splitlines())) == (2, "", 1)
        assert "phoenix status" in done.line


@pytest.mark.services
async def test_a_report_that_cannot_be_written_fails_no_run(
    embedded: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = await full_story.tell(embedded)
    assert await reported(embedded, tmp_path, run.id) == str(tmp_path / "reports" / f"{run.id}.html")
    blocked = tmp_path / "blocked"
    blocked.write_text("a file in the way")
    assert await reported(embedded, blocked, run.id) is None
    assert "no report was written" in capsys.readouterr().err


@pytest.mark.services
def test_the_history_lists_two_releases_in_order(served: dict[str, str], brief: str, tmp_path: Path) -> None:
    first = json.loads(phoenix("build", brief, *MODEL, env=served).out)
    Path(brief).write_text(BRIEF + "\nSums may be negative.\n")
    second = json.loads(phoenix("build", brief, *MODEL, env=served).out)
    lines = json.loads(phoenix("history", "tiny-sums", "--json", env=served).out)["history"]
    assert [line["run"] for line in lines] == [first["run"], second["run"]]
    assert [line["changed"] for line in lines] == ["first run", "brief"]
    assert [line["version"] for line in lines] == [r["release"]["version"] for r in (first, second)]
    assert [line["commit"] for line in lines] == [r["release"]["commit"] for r in (first, second)]
    assert [(line["approver"], line["items"], line["state"]) for line in lines] == [
        ("policy", 1, "COMPLETED")
    ] * 2
    shown = phoenix("history", "tiny-sums", env=served).out.splitlines()
    assert len(shown) == 3
    assert "first run" in shown[1]


@pytest.mark.services
async def test_a_full_run_shows_items_failures_routes_and_approvals(embedded: Database) -> None:
    run = await full_story.tell(embedded)
    story = await gather(embedded, run.id)
    assert [(i.id, i.status, i.mutants) for i in facts.item_lines(story)] == [
        ("WI-1", "accepted", "3/4"), ("WI-2", "accepted", "3/4"), ("WI-3", "failed", None),
        ("WI-4", "waiting", None), ("WI-5", "waiting", None),
    ]  # fmt: skip
    unaudited = "WI-2: unaudited on fresh inputs, its suite has no property."
    assert unaudited in facts.open_questions(story)
    repaired, rethought = facts.episodes(story)
    assert (repaired.diagnosis and repaired.diagnosis.outcome, repaired.rethought) == ("repair", None)
    assert rethought.rethought and rethought.rethought.outcome == "exhausted"
    assert facts.wheel_verdict(story) is None
    page = render(story)
    assert loads_nothing(page)
    assert re.findall(r'data-is="fresh">([^<]+)<', page) == ["131", *["unaudited"] * 4]
    said = ("Ledger of bookings", "Use a table of states.", "Looks right.", "by ada", "It halted.")
    for text in (*said, "Tests on the installed wheel: not run", "No model was asked.", "Freeze the date."):
        assert text in page


@pytest.mark.services
async def test_hostile_text_is_escaped_wherever_it_comes_from(embedded: Database) -> None:
    run = await full_story.tell(embedded, HOSTILE)
    page = render(await gather(embedded, run.id))
    assert loads_nothing(page)
    assert page.count("&lt;script&gt;alert(") >= 6


@pytest.mark.services
async def test_two_hundred_items_make_a_page(embedded: Database) -> None:
    titles = tuple(f"Part {n}" for n in range(1, 201))
    needs = tuple(() if n < 4 else (f"WI-{n // 2}", f"WI-{n - 3}") for n in range(1, 201))
    run = await full_story.tell(embedded, wbs=full_story.work(titles, needs))
    page = render(await gather(embedded, run.id))
    assert "WI-200" in page
    assert len(page) < 1_000_000


@pytest.mark.services
async def test_a_visit_that_never_ended_is_kept_without_an_outcome(embedded: Database) -> None:
    run = await full_story.tell(embedded)
    async with embedded.transaction() as conn:
        events = await ledger.events(conn, run=run.id)
    cut = next(n for n, e in enumerate(events) if e.kind == "left" and e.payload.get("item") == "WI-1")
    [lost] = [v for v in visits_of(events[:cut]) if v.outcome is None]
    assert (lost.state, lost.item) == ("GENERATE_TESTS", "WI-1")
