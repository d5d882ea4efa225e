"""Every limit against a program that tries to exceed it."""

import signal
import sys
from pathlib import Path

import pytest

from services.sandbox import Job, Limits, Outcome, open_sandbox

pytestmark = pytest.mark.services


async def hostile(script: str, limits: Limits) -> Outcome:
    job = Job(("python", "-I", "-S", "-c", script), {}, environment=Path(sys.prefix), limits=limits)
    return await (await open_sandbox()).run(job)


async def test_wall() -> None:
    outcome = await hostile("import time; print('begun', flush=True); time.sleep(60)", Limits(wall_s=0.5))
    assert (outcome.exit_code, outcome.signal, outcome.limits_hit) == (None, signal.SIGKILL, ("wall",))
    assert outcome.stdout == b"begun\n"
    assert outcome.wall_s < 3


async def test_wall_of_a_program_that_ignores_signals() -> None:
    script = """if True:
        import os, signal
        for number in set(signal.valid_signals()) - {signal.SIGKILL, signal.SIGSTOP}:
            signal.signal(number, signal.SIG_IGN)
        os.kill(os.getpid(), signal.SIGSTOP)
    """
    assert (await hostile(script, Limits(wall_s=0.5))).limits_hit == ("wall",)


async def test_cpu_of_one_process() -> None:
    outcome = await hostile("while True: pass", Limits(cpu_s=1, wall_s=15))
    assert outcome.limits_hit == ("cpu",), outcome
    assert 0.9 <= outcome.cpu_s < 1.6


async def test_cpu_of_a_process_that_ignores_the_warning() -> None:
    script = "import signal; signal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass"
    outcome = await hostile(script, Limits(cpu_s=1, wall_s=15))
    assert outcome.limits_hit == ("cpu",), outcome


async def test_cpu_of_many_children() -> None:
    outcome = await hostile(
        "import os\nfor _ in range(3): os.fork()\nwhile True: pass", Limits(cpu_s=1, wall_s=15)
    )
    assert (outcome.exit_code, outcome.limits_hit) == (None, ("cpu",)), outcome
    assert outcome.cpu_s < 2


async def test_cpu_of_children_that_come_and_go() -> None:
    script = "import os\nwhile True:\n if os.fork() == 0:\n  sum(range(300_000)); os._exit(0)\n os.wait()"
    outcome = await hostile(script, Limits(cpu_s=1, wall_s=15))
    assert outcome.limits_hit == ("cpu",), outcome


async def test_memory_of_one_process() -> None:
    outcome = await hostile("x = bytearray(400 << 20)", Limits(memory_mb=128))
    assert outcome.exit_code == 1
    assert b"MemoryError" in outcome.stderr


async def test_memory_of_many_children() -> None:
    script = "import os,time\nfor _ in range(3): os.fork()\nx = bytearray(b'x') * (60 << 20)\ntime.sleep(30)"
    outcome = await hostile(script, Limits(memory_mb=128, wall_s=15))
    assert (outcome.exit_code, outcome.limits_hit) == (None, ("memory",)), outcome
    assert 128 < outcome.peak_mb < 480


async def test_memory_shared_by_children_counts_once() -> None:
    script = "import os,time\nx = bytearray(b'x') * (60 << 20)\nfor _ in range(2): os.fork()\ntime.sleep(0.3)"
    outcome = await hostile(script, Limits(memory_mb=128))
    assert (outcome.exit_code, outcome.limits_hit) == (0, ()), outcome
    assert 60 < outcome.peak_mb < 128


async def test_processes() -> None:
    script = """if True:
        import os, time
        n = 0
        try:
            while True:
                if os.fork() == 0: time.sleep(30)
                n += 1
        except OSError: print(n, flush=True)
        time.sleep(0.2)
    """
    outcome = await hostile(script, Limits(processes=20))
    assert 10 <= int(outcome.stdout) < 20
    assert outcome.limits_hit == ("processes",)


async def test_fork_bomb() -> None:
    script = "import os\nwhile True:\n try: os.fork()\n except OSError: pass"
    outcome = await hostile(script, Limits(processes=30, wall_s=1))
    assert outcome.exit_code is None
    assert "wall" in outcome.limits_hit
    assert outcome.wall_s < 5


async def test_threads() -> None:
    script = """if True:
        import threading, time
        n = 0
        try:
            while True: threading.Thread(target=time.sleep, args=(1,), daemon=True).start(); n += 1
        except RuntimeError: print(n)
    """
    assert int((await hostile(script, Limits(processes=20))).stdout) < 20


async def test_file_size() -> None:
    outcome = await hostile("open('/tmp/f', 'wb').write(b'x' * (4 << 20))", Limits(file_mb=1))
    assert b"File too large" in outcome.stderr
    killed = await (await open_sandbox()).run(
        Job(("sh", "-c", "exec head -c 4000000 /dev/zero >/tmp/f"), {}, limits=Limits(file_mb=1))
    )
    assert (killed.signal, killed.limits_hit) == (signal.SIGXFSZ, ("file_size",))


@pytest.mark.parametrize("place", ["/tmp", "/out", "/dev/shm", "/code"])
async def test_size_of_writable_places(place: str) -> None:
    script = """if True:
        n = 0
        try:
            while n < 99: open(f'PLACE/{n}', 'wb').write(b'x' * (1 << 20)); n += 1
        except OSError as error: print(n, error.strerror)
    """
    job = Job(
        ("python", "-c", script.replace("PLACE", place)),
        {},
        code_writable=True,
        environment=Path(sys.prefix),
        limits=Limits(tmp_mb=8),
    )
    outcome = await (await open_sandbox()).run(job)
    assert outcome.stdout in (b"7 No space left on device\n", b"8 No space left on device\n"), outcome


async def test_number_of_files() -> None:
    script = "n = 0\nwhile True: open(f'/tmp/{n}', 'w').close(); n += 1"
    outcome = await hostile(script, Limits(wall_s=15))
    assert (outcome.exit_code, outcome.limits_hit) == (None, ("files",)), outcome


async def test_open_files() -> None:
    script = "import os\nn = 0\ntry:\n while True: os.dup(0); n += 1\nexcept OSError: print(n)"
    assert 20 <= int((await hostile(script, Limits(open_files=32))).stdout) < 32


async def test_output_beyond_the_kept_is_dropped() -> None:
    outcome = await hostile(
        "import sys; print('x' * 5000); sys.stderr.write('y' * 500)", Limits(output_bytes=1000)
    )
    assert (outcome.exit_code, outcome.limits_hit, outcome.truncated) == (0, (), True)
    assert outcome.stdout == b"x" * 1000
    assert outcome.stderr == b"y" * 500


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
async def test_output_flood(stream: str) -> None:
    outcome = await hostile(
        f"import sys\nwhile True: sys.{stream}.write('x' * 9999)", Limits(output_bytes=1000)
    )
    assert (outcome.exit_code, outcome.limits_hit, outcome.truncated) == (None, ("output",), True)
    assert len(outcome.stdout + outcome.stderr) == 1000


async def test_core_dumps_are_off_and_limits_cannot_be_raised() -> None:
    script = """if True:
        import resource as r
        print(r.getrlimit(r.RLIMIT_CORE))
        for kind in (r.RLIMIT_NPROC, r.RLIMIT_DATA, r.RLIMIT_FSIZE, r.RLIMIT_NOFILE, r.RLIMIT_CPU):
            try: r.setrlimit(kind, (r.getrlimit(kind)[1] + 5,) * 2)
            except (ValueError, OSError): print('no')
    """
    assert (await hostile(script, Limits())).stdout == b"(0, 0)\n" + b"no\n" * 5
