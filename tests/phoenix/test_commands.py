"""The commands as a person types them, on real services."""

import json
import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.phoenix.command import ROOT, phoenix
from tests.platform import BRIEF, Platform, git
from tests.redis_server import PASSWORD, RedisServer

pytestmark = pytest.mark.services
MODEL = ("--model", "rehearsal:seed=7,bad_code=0.4")


def test_build_prints_one_json_object_that_keeps_the_contract(
    served: dict[str, str], brief: str, tmp_path: Path
) -> None:
    done = phoenix(
        "build", brief, *MODEL, "--approve", "auto", "--output", str(tmp_path / "out"), "--json", env=served
    )
    assert done.code == 0, done.err
    result = json.loads(done.out)
    assert list(result) == [
        "run", "project", "mode", "state", "release", "models", "items", "gates", "verdicts", "report",
        "message",
    ]  # fmt: skip
    assert result["release"]["path"] == str(tmp_path / "out")
    assert result["release"]["tree"] == git(tmp_path / "out", "rev-parse", "HEAD^{tree}")
    assert result["release"]["commit"] == git(tmp_path / "out", "rev-parse", "HEAD")
    [item] = result["items"]
    assert (item["status"], item["verdict"]) == ("accepted", "passed (reported)")
    assert (item["mutation_score"], item["audit_cases"]) == (None, None)
    assert result["gates"] == [{"gate": "release", "decision": "approve", "by": "policy"}]
    assert result["verdicts"]["passed"] == result["verdicts"]["tests"] > 0
    assert "Dockerfile" in result["verdicts"]["not_run"]


def test_building_again_changes_nothing_and_writes_a_lost_folder_again(
    served: dict[str, str], brief: str, tmp_path: Path
) -> None:
    arguments = ("build", brief, *MODEL, "--approve", "auto", "--json")
    first = json.loads(phoenix(*arguments, env=served).out)
    again = json.loads(phoenix(*arguments, env=served).out)
    assert again["run"] == first["run"]
    assert again["release"] == first["release"]
    lost = Path(first["release"]["path"])
    lost.rename(tmp_path / "moved")
    restored = json.loads(phoenix(*arguments, env=served).out)
    assert git(lost, "rev-parse", "HEAD^{tree}") == restored["release"]["tree"]


def test_a_recording_replays_to_the_same_tree_and_is_refused_for_another_brief(
    served: dict[str, str], brief: str, tmp_path: Path, platform: Platform
) -> None:
    tape = tmp_path / "tape.json"
    first = phoenix("build", brief, *MODEL, "--approve", "auto", "--record", str(tape), "--json", env=served)
    written = json.loads(tape.read_text())
    assert written["answered_by"].startswith("rehearsal")
    assert len(written["entries"]) == json.loads(first.out)["models"]["calls"]
    played = (
        "--model",
        f"recorded:{tape}",
        "--approve",
        "auto",
        "--output",
        str(tmp_path / "played"),
        "--json",
    )
    replay = phoenix("build", brief, *played, env=served)
    assert replay.code == 0, replay.err
    result = json.loads(replay.out)
    assert result["release"]["tree"] == json.loads(first.out)["release"]["tree"]
    assert result["models"]["cost_usd"] == "0"
    other = tmp_path / "other.md"
    other.write_text(BRIEF.replace("one integer", "one whole number"))
    refused = phoenix("build", str(other), *played, env=served)
    assert refused.code == 2
    assert "another brief" in refused.line


def test_status_lists_projects_and_tells_a_run(served: dict[str, str], brief: str) -> None:
    phoenix("build", brief, *MODEL, "--approve", "auto", env=served)
    listed = phoenix("status", env=served)
    assert "tiny-sums" in listed.out
    assert "COMPLETED" in listed.out
    told = phoenix("status", "tiny-sums", env=served)
    assert "AGGREGATION" in told.out
    assert "gate release: approve policy" in told.out
    found = json.loads(phoenix("status", "tiny-sums", "--json", env=served).out)
    assert [s["state"] for s in found["steps"]][-1] == "GENERATE_DEPLOYMENT_ARTIFACTS"
    unknown = phoenix("status", "no-such-thing", env=served)
    assert (unknown.code, unknown.out) == (2, "")


def test_the_database_is_migrated_down_and_up_again(served: dict[str, str]) -> None:
    assert "newest" in phoenix("db", "current", env=served).out
    assert phoenix("db", "downgrade", "base", env=served).out.startswith("database empty")
    assert phoenix("db", "upgrade", env=served).code == 0
    assert phoenix("db", "downgrade", "no-such-revision", env=served).code == 2


def test_every_schema_is_printed_as_json(served: dict[str, str]) -> None:
    for name in phoenix("schema", env=served).out.split():
        assert json.loads(phoenix("schema", name, env=served).out)["title"]


def test_doctor_checks_every_part_and_shows_no_secret(served: dict[str, str]) -> None:
    env = {**served, "OPENAI_API_KEY": "sk-this-is-secret-indeed"}
    done = phoenix("doctor", "--json", env=env)
    assert done.code == 0, done.out
    parts = {p["name"]: p for p in json.loads(done.out)["parts"]}
    assert all(parts[n]["state"] == "ok" for n in ("home", "git", "sandbox", "tools", "database", "prefect"))
    assert parts["model"]["state"] == "not set"
    assert "sk-this-is-secret-indeed" not in done.out
    broken = phoenix("doctor", env={**env, "DATABASE_URL": "postgresql://127.0.0.1:9/x"})
    assert broken.code == 7
    assert "✗ database" in broken.out


def test_doctor_shows_where_the_limits_are_kept(served: dict[str, str]) -> None:
    env = {
        **served,
        "PHOENIX_RATE_LIMITS": '{"gpt-5": {"requests_per_minute": 60, "tokens_per_minute": 90000}}',
    }
    with RedisServer() as server:
        shared = phoenix("doctor", env={**env, "REDIS_URL": server.url})
        server.kill()
        gone = phoenix("doctor", env={**env, "REDIS_URL": server.url})
    kept = "gpt-5: 60 requests and 90,000 tokens a minute"
    assert f"✓ limits       {kept}; shared through Redis at {server.socket}" in shared.out
    assert (shared.code, gone.code) == (0, 7)
    assert f"✗ limits       Redis at {server.socket} does not answer" in gone.out
    assert f"✓ limits       {kept}; kept by each process for itself" in phoenix("doctor", env=env).out
    assert PASSWORD not in shared.out + shared.err + gone.out + gone.err


def test_at_a_terminal_the_gate_shows_its_digest_and_takes_the_answer(
    served: dict[str, str], brief: str, tmp_path: Path
) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "phoenix.main", "build", brief, *MODEL, "--output", str(tmp_path / "out")],
        stdin=theirs, stdout=subprocess.PIPE, stderr=theirs, env=served, cwd=ROOT,
    )  # fmt: skip
    os.close(theirs)
    seen = read_until(ours, "approve, revise or reject?")
    assert "# Release 0.1.0 of tiny-sums" in seen
    assert "reported, not verified" in seen
    os.write(ours, b"perhaps\n")
    read_until(ours, "approve, revise or reject?")
    os.write(ours, b"approve\n")
    out, _ = process.communicate(timeout=60)
    os.close(ours)
    assert process.returncode == 0
    assert b"tiny-sums 0.1.0 is released" in out
    assert "Phoenix-Approved-By: policy" not in git(tmp_path / "out", "log", "-1", "--format=%B")


def read_until(terminal: int, text: str) -> str:
    """What a terminal shows until a text appears; fails after a minute."""
    seen, deadline = "", time.monotonic() + 60
    while text not in seen:
        ready, _, _ = select.select([terminal], [], [], max(0, deadline - time.monotonic()))
        assert ready, seen
        seen += os.read(terminal, 4096).decode(errors="replace")
    return seen
