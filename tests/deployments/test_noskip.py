import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(tmp_path: Path, body: str) -> "subprocess.CompletedProcess[str]":
    (tmp_path / "test_it.py").write_text(f"import pytest\n{body}\n")
    command = [sys.executable, "-m", "pytest", "-p", "tests.noskip", "-p", "no:cacheprovider", str(tmp_path)]
    return subprocess.run(
        [*command, f"--rootdir={tmp_path}", "-c", "/dev/null"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    "body",
    [
        "def test_a(): pytest.skip('later')",
        "@pytest.mark.skip\ndef test_a(): pass",
        "@pytest.mark.xfail\ndef test_a(): assert False",
        "@pytest.mark.xfail\ndef test_a(): pass",
        "pytest.skip('all', allow_module_level=True)",
    ],
)
def test_what_was_not_run_fails_the_session_and_is_named(body: str, tmp_path: Path) -> None:
    done = run(tmp_path, body)
    assert done.returncode == 1
    assert "NOT RUN" in done.stdout
    assert "test_it.py" in done.stdout


def test_a_session_without_skips_passes(tmp_path: Path) -> None:
    done = run(tmp_path, "def test_a(): pass")
    assert done.returncode == 0
    assert "NOT RUN" not in done.stdout
