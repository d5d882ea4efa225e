"""phoenix prune: what is old goes, what was paid for, decided, or is at work stays."""

import asyncio
import json
import os
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest

from services.toolchain import environment_folder
from services.toolchain.wheelhouse import wheels_folder
from tests.phoenix.command import Done, environment, phoenix
from tests.platform import BRIEF, Platform

MODEL = ("--model", "rehearsal:seed=7", "--json")
OTHER = BRIEF.replace("Tiny Sums", "Other Sums")


def folder(place: Path, days: int, size: int = 1000) -> Path:
    """A folder of a cache with a file of so many bytes, last used so many days ago."""
    (place / "bin").mkdir(parents=True)
    (place / "bin" / "tool").write_bytes(b"x" * size)
    then = time.time() - days * 86_400
    os.utime(place, (then, then))
    return place


def a_cache(cache: Path) -> tuple[list[Path], list[Path]]:
    """What is to go and what is to stay."""
    gone = [
        folder(cache / "toolchains" / "abandoned", 40, 5_000),
        folder(cache / "toolchains" / ".making-x1", 40, 300),
        folder(cache / "wheels" / "abandoned", 40, 700),
    ]
    kept = [
        folder(environment_folder(cache), 400),
        folder(wheels_folder(cache), 400),
        folder(cache / "toolchains" / "of-another-version", 3),
        folder(cache / "somebody-elses", 400),
    ]
    return gone, kept


def rows(platform: Platform) -> dict[str, int]:
    """How many rows each table of Phoenix's database has."""
    with psycopg.connect(platform.database_url) as conn:
        tables = conn.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        counts = {
            name: conn.execute(f"SELECT count(*) FROM {name}".encode()).fetchone() for (name,) in tables
        }
    return {name: count[0] for name, count in counts.items() if count}


def let_pass(platform: Platform, days: int, run: str) -> None:
    """Let a run have been opened, and ended if it did, so many days earlier."""
    with psycopg.connect(platform.database_url) as conn:
        conn.execute(
            "UPDATE runs SET opened_at = opened_at - %(by)s * interval '1 day', "
            "ended_at = ended_at - %(by)s * interval '1 day' WHERE id = %(run)s",
            {"by": days, "run": run},
        )


def history(platform: Platform, run: str) -> dict[str, int]:
    """How much the Prefect server has of a run."""
    with psycopg.connect(platform.database_url) as conn:
        found = conn.execute("SELECT flow_run FROM executions WHERE run = %s", (run,)).fetchall()
    mine = {"any_": [flow_run for (flow_run,) in found]}
    asked: dict[str, dict[str, Any]] = {
        "flow_runs": {"flow_runs": {"id": mine}},
        "task_runs": {"flow_runs": {"id": mine}},
        "artifacts": {"artifacts": {"flow_run_id": mine}},
    }
    if not asyncio.run(platform.api("flow_runs", asked["flow_runs"])):
        asked["task_runs"] = {"task_runs": {"flow_run_id": mine}}
    return {what: len(asyncio.run(platform.api(what, which))) for what, which in asked.items()}


def written_history(platform: Platform, run: str) -> dict[str, int]:
    """How much the Prefect server has of a run, once it has written down what it was told."""
    found = history(platform, run)
    while True:
        time.sleep(2)
        if (again := history(platform, run)) == found:
            return found
        found = again


def built(served: dict[str, str], brief: str, text: str, approve: str = "auto") -> str:
    """The id of the run of a brief."""
    Path(brief).write_text(text)
    done = phoenix("build", brief, *MODEL, "--approve", approve, env=served)
    assert done.code == (0 if approve == "auto" else 3), done.err
    return str(json.loads(done.out)["run"])


@pytest.mark.services
def test_old_finished_runs_and_unused_tools_go_and_nothing_that_was_paid_for(
    served: dict[str, str], brief: str, platform: Platform, tmp_path: Path
) -> None:
    old, new = built(served, brief, BRIEF), built(served, brief, OTHER)
    waiting = built(served, brief, BRIEF.replace("Tiny", "Waiting"), "ask")
    for run in (old, waiting):
        let_pass(platform, 40, run)
    gone, kept = a_cache(tmp_path / "cache")
    env = {**served, "PHOENIX_CACHE": str(tmp_path / "cache")}
    before = {run: written_history(platform, run) for run in (old, new, waiting)}
    ledger, told = rows(platform), phoenix("status", old, "--json", env=served).out
    pages = {run: tmp_path / "home" / "reports" / f"{run}.html" for run in before}
    size = pages[old].stat().st_size
    assert all(page.is_file() for page in pages.values())

    dry = phoenix("prune", "--older-than", "30", "--dry-run", env=env)
    assert dry.code == 0, dry.err
    *lines, last = dry.out.splitlines()
    counted = f"{before[old]['task_runs']} task runs and {before[old]['artifacts']} artifacts"
    assert last == f"{size + 6_000:,} bytes would be free; nothing was removed"
    assert lines[0].startswith("would remove Prefect flow run ")
    assert lines[0].endswith(f" of run {old}: space in Prefect's database, {counted}")
    assert lines[1] == (
        f"would remove report {pages[old]}: {size:,} bytes, phoenix report {old} writes it again"
    )
    assert {line.split(":")[0].rsplit(" ", 1)[1] for line in lines[2:]} == {str(place) for place in gone}
    assert {run: history(platform, run) for run in before} == before
    assert all(place.exists() for place in (*gone, *kept, *pages.values()))

    real = phoenix("prune", "--older-than", "30", env=env)
    assert (real.code, real.out.splitlines()[:-1]) == (
        0,
        [line.replace("would remove", "removed", 1) for line in lines],
    )
    assert real.out.splitlines()[-1] == f"{size + 6_000:,} bytes are free"
    assert history(platform, old) == {"flow_runs": 0, "task_runs": 0, "artifacts": 0}
    assert {run: history(platform, run) for run in (new, waiting)} == {r: before[r] for r in (new, waiting)}
    assert not any(place.exists() for place in (*gone, pages[old]))
    assert all(place.exists() for place in (*kept, pages[new], pages[waiting]))
    assert [*(tmp_path / "cache").glob("*/.leaving-*")] == []
    assert rows(platform) == ledger
    assert phoenix("status", old, "--json", env=served).out == told
    assert phoenix("report", old, env=served).out == f"{pages[old]}\n"
    pages[old].unlink()

    again = phoenix("prune", "--older-than", "30", env=env)
    assert (again.code, again.out) == (
        0,
        "nothing to prune: no finished run and no unused cache is older than 30 days\n",
    )
    empty = json.loads(phoenix("prune", "--older-than", "30", "--json", env=env).out)
    assert empty == {"older_than_days": 30, "dry_run": False, "pruned": [], "bytes": 0}
    assert phoenix("build", brief, *MODEL, "--approve", "auto", env=served).code == 0


@pytest.mark.services
def test_the_json_object_says_what_goes_and_a_server_that_is_down_loses_nothing(
    served: dict[str, str], brief: str, platform: Platform, tmp_path: Path
) -> None:
    run = built(served, brief, BRIEF)
    let_pass(platform, 40, run)
    gone, _ = a_cache(tmp_path / "cache")
    env = {**served, "PHOENIX_CACHE": str(tmp_path / "cache")}
    page = tmp_path / "home" / "reports" / f"{run}.html"
    down = phoenix("prune", "--older-than", "30", env={**env, "PREFECT_API_URL": "http://127.0.0.1:9/api"})
    assert (down.code, down.out, len(down.err.strip().splitlines())) == (7, "", 1)
    assert page.is_file() and all(place.exists() for place in gone)
    told = json.loads(phoenix("prune", "--older-than", "30", "--dry-run", "--json", env=env).out)
    assert [*told] == ["older_than_days", "dry_run", "pruned", "bytes"]
    assert [(one["kind"], one["bytes"]) for one in told["pruned"]] == [
        ("Prefect flow run", None),
        ("report", page.stat().st_size),
        *(("cache", size) for size in (300, 5_000, 700)),
    ]
    assert told["bytes"] == sum(one["bytes"] or 0 for one in told["pruned"])
    assert (told["dry_run"], page.is_file()) == (True, True)


def refused(done: Done) -> str:
    assert (done.code, done.out, len(done.err.strip().splitlines())) == (2, "", 1)
    return done.line


@pytest.mark.parametrize("days", ["-1", "0", "1.5", "much", "", "١", "1e3", "100000", None])
def test_bad_days_are_one_line(days: str | None, tmp_path: Path) -> None:
    env = environment(PHOENIX_HOME=str(tmp_path / "home"), DATABASE_URL=None)
    line = refused(phoenix("prune", *(() if days is None else (f"--older-than={days}",)), env=env))
    assert line.startswith(f"phoenix: --older-than {days if days is not None else 'is missing'}: ")
    assert line.endswith("whole days from 1 to 99999, such as phoenix prune --older-than 90 --dry-run.")
    assert not (tmp_path / "home").exists()
