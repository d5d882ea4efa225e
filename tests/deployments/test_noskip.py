"""A test that did not run fails the session."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
AWAY = (
    "def test_a(): pytest.skip('later')",
    "@pytest.mark.skip\ndef test_a(): pass",
    "@pytest.mark.xfail\ndef test_a(): assert False",
    "@pytest.mark.xfail\ndef test_a(): pass",
    "pytest.skip('all', allow_module_level=True)",
)


def run(folder: Path, *bodies: str) -> "subprocess.CompletedProcess[str]":
    for number, body in enumerate(bodies):
        (folder / f"test_{number}.py").write_text(f"import pytest\n{body}\n")
    command = [sys.executable, "-m", "pytest", "-p", "tests.noskip", "-p", "no:cacheprovider", str(folder)]
    return subprocess.run(
        [*command, f"--rootdir={folder}", "-c", "/dev/null"],
        cwd=ROOT,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_what_was_not_run_fails_the_session_and_is_named(tmp_path: Path) -> None:
    done = run(tmp_path, *AWAY, "def test_a(): pass")
    assert done.returncode == 1
    _, _, named = done.stdout.partition("NOT RUN")
    assert [n for n in range(len(AWAY)) if f"test_{n}.py" not in named] == []
    assert f"test_{len(AWAY)}.py" not in named


def test_a_session_without_skips_passes(tmp_path: Path) -> None:
    done = run(tmp_path, "def test_a(): pass")
    assert done.returncode == 0
    assert "NOT RUN" not in done.stdout
