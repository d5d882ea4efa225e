"""A disk that fills up in the middle of a build; select with -m e2e (root: a file system is mounted)."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.phoenix.command import environment, phoenix_process
from tests.platform import BRIEF

pytestmark = [pytest.mark.services, pytest.mark.e2e]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 120 MB, where a build takes about 55."""
    disk = tmp_path / "disk"
    disk.mkdir()
    for folder in (tmp_path, *list(tmp_path.parents)[:2]):
        folder.chmod(0o755)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=120m,mode=755", "tmpfs", disk], check=True)
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)


def test_a_full_disk_stops_the_build_with_one_line_and_loses_nothing(
    small_disk: Path, tmp_path: Path
) -> None:
    brief, stuffing = tmp_path / "brief.md", small_disk / "stuffing"
    brief.write_text(BRIEF)
    env = environment(PHOENIX_HOME=str(small_disk / "home"), DATABASE_URL=None, PREFECT_API_URL=None)
    arguments = ("build", str(brief), "--model", "rehearsal:latency=1", "--approve", "auto")
    process = phoenix_process(*arguments, env=env)
    assert process.stderr
    while b"TRIAGE" not in process.stderr.readline():
        assert process.poll() is None
    with stuffing.open("wb") as file, pytest.raises(OSError, match="No space"):
        while True:
            file.write(bytes(1 << 20))
            file.flush()
    _, err = process.communicate(timeout=120)
    assert process.returncode == 7
    assert err.decode().splitlines()[-1].endswith("Nothing is lost: type the same command again to continue.")
    assert b"Traceback" not in err
    stuffing.unlink()
    again = phoenix_process(*arguments, "--json", env=env)
    out, err = again.communicate(timeout=120)
    assert again.returncode == 0, err.decode()
    assert b'"state": "COMPLETED"' in out
