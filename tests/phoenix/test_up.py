"""The local platform as a person starts, uses and ends it."""

import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from tests.phoenix.command import environment, phoenix_process
from tests.platform import BRIEF

pytestmark = pytest.mark.services
RUNS = "carries 2 flow runs at once"


def said(*arguments: str, env: dict[str, str]) -> tuple[int, str, str]:
    process = phoenix_process(*arguments, env=env)
    out, err = process.communicate(timeout=240)
    return process.returncode, out.decode(), err.decode()


def names(url: str, kind: str) -> list[str]:
    request = Request(f"{url}/api/{kind}/filter", b"{}", {"Content-Type": "application/json"})
    found: list[dict[str, Any]] = json.loads(urlopen(request).read())
    return sorted(one["name"] for one in found)


@pytest.fixture
def home() -> Iterator[Path]:
    """A home that no other pytest closes to PostgreSQL's user, as it does with the folders of tmp_path."""
    with tempfile.TemporaryDirectory(prefix="phoenix-home-") as folder:
        yield Path(folder)


def test_the_platform_is_started_used_and_ended_and_started_again(home: Path, tmp_path: Path) -> None:
    env = environment(PHOENIX_HOME=str(home), DATABASE_URL=None, PREFECT_API_URL=None)
    code, out, err = said("up", "--detach", "--limit", "2", env=env)
    try:
        assert code == 0, err
        assert RUNS in out
        url = out.splitlines()[0].removeprefix("Prefect UI: ")
        code, again, _ = said("up", env=env)
        assert (code, again.splitlines()[0].startswith("phoenix up runs already")) == (0, True)
        assert url in again

        brief = tmp_path / "brief.md"
        brief.write_text(BRIEF)
        model = ("--model", "rehearsal:items=2", "--mode", "full", "--approve", "auto")
        code, out, err = said("build", str(brief), *model, "--executor", "pool", "--json", env=env)
        assert code == 0, err
        assert [item["status"] for item in json.loads(out)["items"]] == ["accepted", "accepted"]
        assert "WI-1: taken by process" in err
    finally:
        code, out, _ = said("down", env=env)
    assert (code, out.splitlines()[0]) == (
        0,
        "phoenix up has ended. Nothing is lost: what was interrupted goes on when it runs again.",
    )
    assert said("down", env=env)[1] == "phoenix up does not run.\n"

    foreground = phoenix_process("up", "--limit", "2", env=env)
    assert foreground.stdout
    lines = [foreground.stdout.readline().decode() for _ in range(3)]
    assert RUNS in lines[1]
    deployments = ["build", "develop", "lite"]
    assert names(lines[0].split()[-1], "deployments") == deployments, "applied twice, there once"
    assert names(lines[0].split()[-1], "automations") == [
        "phoenix-crashed-to-scheduled",
        "phoenix-silent-to-crashed",
    ]
    foreground.send_signal(signal.SIGINT)
    _, err_bytes = foreground.communicate(timeout=120)
    assert foreground.returncode == 0, err_bytes.decode()
    assert err_bytes.decode().endswith("phoenix up: stopped.\n")
    left = subprocess.run(["pgrep", "-f", str(home)], capture_output=True, text=True, check=False)
    assert left.stdout.split() in ([], [str(os.getpid())])
