"""What a program in the sandbox sees, what it cannot reach, and what comes back."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from schemas.errors import InputError
from services.sandbox import Job, Limits, Outcome, Sandbox, escape, open_sandbox

PYTHON = Path(sys.prefix)


@pytest.fixture
async def sandbox() -> Sandbox:
    return await open_sandbox()


def python(script: str, *arguments: str, code: Mapping[str, bytes] | None = None, **job: object) -> Job:
    argv = ("python", "-I", "-S", "-c", script, *arguments)
    return Job(argv=argv, code=code or {}, environment=PYTHON, **job)  # type: ignore[arg-type]


def alive(marker: str) -> bool:
    """Whether any process of this machine has the marker among its arguments."""
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if marker.encode() in entry.read_bytes().split(b"\0"):
                return True
        except (FileNotFoundError, ProcessLookupError):
            continue
    return False


async def until(condition: bool, marker: str, seconds: float = 5) -> bool:
    """Whether alive(marker) becomes the condition in time."""
    end = time.monotonic() + seconds
    while alive(marker) is not condition:
        if time.monotonic() > end:
            return False
        await asyncio.sleep(0.02)
    return True


def texts(outcome: Outcome) -> str:
    return f"{outcome.exit_code} {outcome.stdout.decode()} {outcome.stderr.decode()}"


@pytest.mark.services
async def test_a_program_gets_its_files_input_and_environment(sandbox: Sandbox) -> None:
    script = (
        "import os,sys;print(os.getcwd(),open('a/b.txt').read(),sys.stdin.read(),os.environ['X']);sys.exit(3)"
    )
    outcome = await sandbox.run(python(script, code={"a/b.txt": b"file"}, stdin=b"input", env={"X": "1"}))
    assert (outcome.exit_code, outcome.signal) == (3, None), texts(outcome)
    assert outcome.stdout == b"/code file input 1\n"
    assert (outcome.limits_hit, outcome.truncated) == ((), False)
    assert outcome.confinement == sandbox.confinement
    assert "seccomp: none" in sandbox.confinement.missing


@pytest.mark.services
async def test_nothing_of_ours_is_visible(sandbox: Sandbox, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    script = (
        "import os,json,sys;print(json.dumps([sorted(os.environ),sorted(os.listdir('/etc')),"
        "[p for p in sys.argv[1:] if os.path.exists(p)],[p for p in os.listdir('/proc') if p.isdigit()],"
        "os.getuid(),open('/etc/passwd').read().count(chr(10)),os.listdir('/tmp')]))"
    )
    outcome = await sandbox.run(
        python(script, str(secret), __file__, "/etc/shadow", "/var", "/sys", "/tests")
    )
    env, etc, seen, pids, uid, users, tmp = json.loads(outcome.stdout)
    assert set(env) <= {
        *("PATH", "HOME", "LANG", "TZ", "PWD", "PYTHONHASHSEED", "PYTHONDONTWRITEBYTECODE"),
        *("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "LC_CTYPE"),
    }
    assert set(etc) <= {"passwd", "group", "hosts", "nsswitch.conf", "ld.so.cache", "alternatives"}
    assert (seen, users, tmp) == ([], 2, [])
    assert uid != 0
    assert len(pids) <= 3


@pytest.mark.services
async def test_the_network_is_its_own(sandbox: Sandbox) -> None:
    script = """if True:
        import socket, sys
        try: socket.create_connection(('127.0.0.1', int(sys.argv[1])), 1)
        except OSError: print('no')
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        outcome = await sandbox.run(python(script, str(listener.getsockname()[1])))
    assert outcome.stdout == b"no\n", texts(outcome)


@pytest.mark.services
async def test_code_and_tests_are_read_only_and_a_copy_is_private(sandbox: Sandbox) -> None:
    files = {"m.py": b"x = 1\n"}
    job = Job(
        ("sh", "-c", "cat /tests/t.py; echo 2 >/tests/t.py; echo 2 >m.py; cat m.py"),
        files,
        tests={"t.py": b"t\n"},
    )
    outcome = await sandbox.run(job)
    assert outcome.stdout == b"t\nx = 1\n"
    assert outcome.stderr.count(b"Read-only file system") == 2
    copy = Job(("sh", "-c", "mkdir d && echo 2 >m.py; cat m.py; ls"), files, code_writable=True)
    assert (await sandbox.run(copy)).stdout == b"2\nd\nm.py\n"
    assert (await sandbox.run(copy)).stdout == b"2\nd\nm.py\n"


@pytest.mark.services
async def test_an_environment_brings_its_packages(sandbox: Sandbox) -> None:
    job = Job(
        ("python", "-m", "pytest", "-p", "no:cacheprovider", "test_it.py"),
        {"test_it.py": b"def test_it():\n    assert True\n"},
        env={"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        environment=PYTHON,
    )
    outcome = await sandbox.run(job)
    assert b"1 passed" in outcome.stdout, texts(outcome)
    assert outcome.cpu_s > 0.05


@pytest.mark.services
async def test_how_a_program_ended_is_told(sandbox: Sandbox) -> None:
    crashed = await sandbox.run(Job(("sh", "-c", "kill -SEGV $$"), {}))
    assert (crashed.exit_code, crashed.signal) == (128 + signal.SIGSEGV, signal.SIGSEGV)
    absent = await sandbox.run(Job(("no-such-program",), {}))
    assert absent.exit_code == 127
    assert b"not found" in absent.stderr


@pytest.mark.services
async def test_a_megabyte_of_input_arrives_or_may_be_ignored(sandbox: Sandbox) -> None:
    data = b"x" * 1_000_000
    assert (await sandbox.run(Job(("wc", "-c"), {}, stdin=data))).stdout.strip() == b"1000000"
    assert (await sandbox.run(Job(("true",), {}, stdin=data))).exit_code == 0


@pytest.mark.services
async def test_only_plain_files_are_collected(sandbox: Sandbox) -> None:
    script = """if True:
        import os
        os.chdir('/out'); os.mkdir('d')
        for name in ('ok', 'd/ok', 'hard'): open(name, 'w').write(name)
        os.symlink('/etc/passwd', 'link'); os.symlink('/', 'root'); os.link('hard', 'other')
        os.mkfifo('fifo'); open('big', 'wb').truncate(3 << 20)
    """
    names = (
        "ok",
        "d/ok",
        "link",
        "root/etc/passwd",
        "hard",
        "fifo",
        "d",
        "big",
        "absent",
        "../etc/passwd",
        "/out/ok",
    )
    outcome = await sandbox.run(python(script, collect=names, limits=Limits(file_mb=2, tmp_mb=16)))
    refused = dict(line.split(": ", 1) for line in outcome.refused)
    assert outcome.exit_code == 1, "truncate beyond the limit of one file fails"
    assert outcome.collected == {"ok": b"ok", "d/ok": b"d/ok", "big": b""}
    assert set(refused) == set(names) - set(outcome.collected)
    assert refused["link"] == refused["fifo"] == refused["d"] == "not a regular file"
    assert refused["hard"] == "a hard link"
    assert refused["root/etc/passwd"] == "Not a directory"


@pytest.mark.services
async def test_collected_files_share_one_budget(sandbox: Sandbox) -> None:
    script = "for name in 'ab': open('/out/' + name, 'wb').write(b'x' * 700_000)"
    outcome = await sandbox.run(python(script, collect=("a", "b"), limits=Limits(file_mb=1)))
    assert list(outcome.collected) == ["a"]
    assert outcome.refused == ("b: larger than the budget",)


@pytest.mark.services
async def test_sandboxes_run_side_by_side_as_different_users(sandbox: Sandbox) -> None:
    begin = time.monotonic()
    outcomes = await asyncio.gather(*(sandbox.run(Job(("sh", "-c", "sleep 1; id -u"), {})) for _ in range(6)))
    assert time.monotonic() - begin < 4
    assert len({outcome.stdout for outcome in outcomes}) == (6 if os.geteuid() == 0 else 1)


@pytest.mark.services
async def test_a_daemon_dies_with_its_program(sandbox: Sandbox) -> None:
    marker = f"daemon-{time.monotonic_ns()}"
    script = (
        "import os,sys,time\nif os.fork() == 0:\n os.setsid()\n if os.fork() == 0:\n"
        "  os.execv('/bin/sh', ['sh', '-c', 'sleep 100; :', sys.argv[1]])\n os._exit(0)\ntime.sleep(0.2)"
    )
    begin = time.monotonic()
    running = asyncio.create_task(sandbox.run(python(script, marker)))
    assert await until(True, marker)
    outcome = await running
    assert outcome.exit_code == 0, texts(outcome)
    assert not alive(marker)
    assert time.monotonic() - begin < 5


@pytest.mark.services
async def test_a_cancelled_run_leaves_nothing(sandbox: Sandbox) -> None:
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    for delay in (0.0, 0.003, 0.01, 0.3):
        marker = f"cancelled-{time.monotonic_ns()}"
        running = asyncio.create_task(sandbox.run(Job(("sh", "-c", "sleep 100; :", marker), {})))
        await asyncio.sleep(delay)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert not alive(marker)
    assert len(list(Path("/proc/self/fd").iterdir())) == descriptors


@pytest.mark.services
async def test_a_program_dies_with_us(tmp_path: Path) -> None:
    marker = f"orphan-{time.monotonic_ns()}"
    script = """if True:
        import asyncio, sys
        from services.sandbox import Job, open_sandbox
        async def main():
            sandbox = await open_sandbox()
            await sandbox.run(Job(("sh", "-c", "sleep 100; :", "+".join(sys.argv[1:])), {}))
        asyncio.run(main())
    """
    supervisor = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", script, marker[:6], marker[6:]), env={**os.environ, "TMPDIR": str(tmp_path)}
    )
    joined = f"{marker[:6]}+{marker[6:]}"
    try:
        assert await until(True, joined, 15)
    finally:
        supervisor.kill()
        await supervisor.wait()
    assert await until(False, joined)


@pytest.mark.parametrize("name", ["/etc/x", "../x", "a/../../x", "", "a\0b"])
async def test_a_file_cannot_be_placed_outside(sandbox: Sandbox, name: str) -> None:
    with pytest.raises(InputError, match="must be relative"):
        await sandbox.run(Job(("true",), {name: b""}))


def test_what_a_terminal_would_obey_is_made_visible() -> None:
    assert escape(b"a\tb\n") == "a\tb\n"
    assert escape(b"\x1b[31m\r\x07\xff") == "\\x1b[31m\\r\\x07\\xff"
    assert escape("\u202e\u200b\x9b é 漢".encode()) == "\\u202e\\u200b\\x9b é 漢"


def test_what_a_killed_process_left_is_swept_and_what_a_living_one_uses_is_not(tmp_path: Path) -> None:
    script = (
        "import os, tempfile; from pathlib import Path; from services.sandbox.staging import PREFIX, sweep\n"
        "tempfile.tempdir = os.environ['PLACE']; place = Path(os.environ['PLACE'])\n"
        "for owner in (os.getpid(), 2**22 + 1): (place / f'{PREFIX}{owner}-x').mkdir()\n"
        "sweep(); print([p.name.split('-')[2] == str(os.getpid()) for p in place.iterdir()])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True,
        env={**os.environ, "PLACE": str(tmp_path)}, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.stdout.strip() == "[True]"
