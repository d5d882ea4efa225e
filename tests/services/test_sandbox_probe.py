"""A sandbox is believed only when its walls hold."""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from schemas.errors import SandboxUnavailable
from services.sandbox import open_sandbox

ORDINARY = """
import asyncio, encodings.idna, os
from schemas.errors import SandboxUnavailable
from services.sandbox import Job, open_sandbox

async def main():
    try:
        sandbox = await open_sandbox()
    except SandboxUnavailable as error:
        print("refused", error)
    else:
        outcome = await sandbox.run(Job(("sh", "-c", "id -u; echo hi >/out/a"), {}, collect=("a",)))
        print(sandbox.confinement.level, outcome.exit_code, outcome.stdout, outcome.collected)

if os.getuid() == 0:
    os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)
asyncio.run(main())
"""


async def test_a_missing_binary_is_refused_with_the_way_out() -> None:
    with pytest.raises(SandboxUnavailable, match=r"not installed.*apt-get install bubblewrap"):
        await open_sandbox("/nowhere/bwrap")


@pytest.mark.parametrize("binary", ["false", "true", "cat"])
async def test_a_binary_that_merely_exists_is_refused(binary: str) -> None:
    with pytest.raises(
        SandboxUnavailable, match=r"^no sandbox: bubblewrap could not start: .*apt-get install"
    ) as refused:
        await open_sandbox(shutil.which(binary))
    assert "\n" not in str(refused.value)


@pytest.mark.services
@pytest.mark.parametrize(
    ("wanted", "weaker", "hole"),
    [
        ("--unshare-net", "--unshare-ipc", "reaches the host's network"),
        ("--unshare-ipc", "--unshare-net", "shares the ipc namespace"),
        ("--nproc=16:16", "--nproc=99:99", "exceeds the process limit"),
    ],
)
async def test_a_hole_is_found(tmp_path: Path, wanted: str, weaker: str, hole: str) -> None:
    real = shlex.quote(shutil.which("bwrap") or "")
    script = (
        f'for a; do shift; [ "$a" != {wanted} ] || a={weaker}; set -- "$@" "$a"; done; exec {real} "$@"\n'
    )
    wrapper = tmp_path / "bwrap"
    wrapper.write_text("#!/bin/sh\n" + script)
    wrapper.chmod(0o755)
    with pytest.raises(SandboxUnavailable, match=hole):
        await open_sandbox(str(wrapper))


@pytest.mark.services
async def test_the_probe_runs_once() -> None:
    assert await open_sandbox() is await open_sandbox()


@pytest.mark.services
def test_an_ordinary_user_gets_a_whole_sandbox_or_a_clear_refusal() -> None:
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", ORDINARY],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[2])},
        cwd="/",
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.count("\n") == 1
    assert (
        run.stdout.startswith("refused no sandbox: ") or run.stdout == "full 0 b'1000\\n' {'a': b'hi\\n'}\n"
    )
