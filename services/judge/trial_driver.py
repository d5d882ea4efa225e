"""Runs inside the sandbox: the tests over the code, then over each variant of it, each in a fork of its own.

The parent imports the tools once and nothing of the code; what a child leaves behind is killed and wiped.
"""

import gc
import json
import os
import re
import resource
import select
import shutil
import signal
import stat
import sys
import time
from contextlib import suppress
from pathlib import Path

sys.path.append("/tests")
import judge_driver

sys.path.remove("/tests")

SRC, VARIANTS, OUT = Path("/code/src"), Path("/code/variants"), Path("/out")
WRITABLE = (OUT, Path("/tmp"), Path("/dev/shm"))  # nosec B108 - private to the sandbox
TIMES_BASE = 3
EXAMPLES = 20  # of each property and variant: a mutant that a suite notices, it notices soon
WORDS = re.compile(r"\b(text|characters|from_regex|from_type|builds|emails|urls|domains)\b")


def warm(canary):
    """Load what every child would load again, and see one test through."""
    import hypothesis.internal.conjecture.engine  # noqa: F401
    from hypothesis import Phase, given, strategies

    phases = [Phase.explicit, Phase.generate]
    judge_driver.settle(phases=phases, report_multiple_bugs=False, max_examples=EXAMPLES)
    paths, modules = [*sys.path], {*sys.modules}
    judge_driver.session(str(OUT / "warm.jsonl"), [canary])
    sys.path[:] = paths
    for name in {*sys.modules} - modules:
        if name.startswith("test_"):
            del sys.modules[name]
    with suppress(ZeroDivisionError):
        given(strategies.integers(), strategies.lists(strategies.floats()))(lambda a, b: 1 / 0)()
    if any(WORDS.search(file.read_text(encoding="utf-8")) for file in Path("/tests").rglob("test_*.py")):
        given(strategies.text())(lambda a: None)()
    wipe()
    gc.collect()
    gc.freeze()


def overlay(name, top):
    """A tree of sources with a variant's files over the code's; what it shares is linked."""
    shutil.rmtree(top, ignore_errors=True)
    changed = [p.relative_to(VARIANTS / name) for p in (VARIANTS / name).rglob("*") if p.is_file()]
    real = {parent for file in changed for parent in file.parents}
    for folder in sorted(real):
        (top / folder).mkdir(parents=True, exist_ok=True)
        for entry in (SRC / folder).iterdir() if (SRC / folder).is_dir() else ():
            if folder / entry.name not in real and folder / entry.name not in changed:
                (top / folder / entry.name).symlink_to(entry)
    for file in changed:
        shutil.copyfile(VARIANTS / name / file, top / file)
    return top


def child(source, report, wanted, more):
    """One session in this process, which ends with it whatever happens."""
    try:
        os.setsid()
        quiet = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(quiet, stream)
        most = resource.getrlimit(resource.RLIMIT_DATA)[0]
        if most > 0:
            resource.setrlimit(resource.RLIMIT_DATA, (most * 6 // 10,) * 2)
        sys.path.insert(0, str(source))
        judge_driver.session(report, wanted, **more)
    finally:
        os._exit(0)


def judged(source, report, wanted, seconds, longest, **more):
    """What a session over a tree of sources reported; nothing when it did not end in time."""
    pid = os.fork()
    if not pid:
        child(source, report, wanted, more)
    with os.fdopen(os.pidfd_open(pid), "rb") as process:
        poll = select.poll()
        poll.register(process, select.POLLIN)
        in_time = bool(poll.poll(int(seconds * 1000)))
    for kill in (os.killpg, os.kill):
        try:
            kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    os.waitpid(pid, 0)
    return content(report, longest) if in_time else b""


def content(report, longest):
    """A report, or nothing when it is gone, is no plain file, or is far too long."""
    try:
        descriptor = os.open(report, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return b""
    with os.fdopen(descriptor, "rb") as file:
        seen = os.fstat(descriptor)
        return file.read() if stat.S_ISREG(seen.st_mode) and seen.st_size <= longest else b""


def wipe():
    """Remove what a session left."""
    for place in WRITABLE:
        for entry in place.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink(missing_ok=True)


def keep(reports):
    """Write what is known so far where it is brought back from."""
    for name, text in reports.items():
        (OUT / f"{name}.jsonl").write_bytes(text)


def main(count, seconds, longest, wanted, canary, drawing):
    warm(canary)
    begin = time.monotonic()
    base = judged(SRC, "/out/base.jsonl", [*wanted, canary], 3 * seconds, longest, reverse=True)
    reports = {"base": base}
    seconds = max(seconds, TIMES_BASE * (time.monotonic() - begin))
    if drawing:
        wipe()
        keep(reports)
        *drawn, in_time = drawing
        reports["drawn"] = judged(SRC, "/out/drawn.jsonl", wanted, in_time, longest, drawing=drawn)
    for number in range(count):
        wipe()
        keep(reports)
        source = overlay(str(number), Path(f"/tmp/variant-{number}"))  # nosec B108
        reports[str(number)] = judged(source, f"/out/{number}.jsonl", wanted, seconds, longest)
    wipe()
    keep(reports)


if __name__ == "__main__":
    main(*json.load(sys.stdin))
