"""The examples and the demo: recorded answers give the same tree on every machine."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from phoenix.demo import examples
from tests.phoenix.command import environment, phoenix, phoenix_process
from tests.platform import Platform, git

pytestmark = pytest.mark.services
ROOT = Path(__file__).parents[2]
TREES = {
    "cron-calendar": "ae62b6f5d616fbbce1a78f701ab08b1b99c15e51",
    "duration": "ceaf0d2508b55fc0ebfc4675493974179929337a",
    "household-ledger": "fccd76425789908e3905bc8abdb4c81ad862a1d5",
    "json-diagnostics": "b32a0d2b9f892740c7b1fbc488c579224df5e7a2",
    "loan-schedule": "a71a205961406f109f84290996d40006ba7204a7",
    "shared-expenses": "0c0339766c49d6f3ab6ce6e53b8b9e436544b226",
}
"""The git tree of each example's release."""


def test_every_example_has_a_genuine_recording_and_a_pinned_tree() -> None:
    assert sorted(TREES) == examples()
    for name in TREES:
        head = json.loads((ROOT / "examples" / name / "recording.json").read_text())
        assert head["answered_by"] == "openai:claude"
        assert re.fullmatch(r"2026-\d\d-\d\d", head["recorded"])


LARGE = ("household-ledger", "shared-expenses")
"""Examples of the full path, which take minutes: replayed by 'make e2e'."""


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.e2e] if n in LARGE else []) for n in TREES]
)
def test_an_example_replays_to_its_pinned_tree(platform: Platform, tmp_path: Path, name: str) -> None:
    place = ROOT / "examples" / name
    done = phoenix(
        *("build", str(place / "brief.md"), "--model", f"recorded:{place / 'recording.json'}"),
        *("--approve", "auto", "--output", str(tmp_path / "out"), "--json"),
        env=environment(
            PHOENIX_HOME=str(tmp_path / "home"),
            DATABASE_URL=platform.database_url,
            PREFECT_API_URL=platform.prefect_url,
        ),
    )
    assert done.code == 0, done.err
    assert json.loads(done.out)["release"]["tree"] == TREES[name]
    assert git(tmp_path / "out", "rev-parse", "HEAD^{tree}") == TREES[name]


def test_the_demo_needs_no_service_and_says_what_ran_in_the_sandbox(tmp_path: Path) -> None:
    env = environment(
        HOME=str(tmp_path),
        PHOENIX_HOME=None,
        DATABASE_URL="postgresql://127.0.0.1:9/never",
        PREFECT_API_URL=None,
    )
    arguments = ("demo", "--example", "cron-calendar", "--output", str(tmp_path / "demo"))
    process = phoenix_process(*arguments, env=env)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err.decode()
    assert b"is released in" in out
    assert re.search(rb"ran in the sandbox \(bubblewrap, level full\): \d+ programs, \d+\.\d s", out)
    assert b"wheel build, install and pytest" in out
    [made] = (tmp_path / "demo").iterdir()
    assert git(made, "rev-parse", "HEAD^{tree}") == TREES[made.name]


def test_help_is_quick_to_load_and_lists_the_commands() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "phoenix.main", "--help"], capture_output=True, text=True, check=True, cwd=ROOT
    )
    for command in ("demo", "build", "status", "schema", "doctor", "db", "up"):
        assert re.search(rf"^  {command}\b", done.stdout, re.MULTILINE)
