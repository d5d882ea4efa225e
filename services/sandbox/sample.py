"""Measures a tree of processes from outside, through /proc."""

import os
from dataclasses import dataclass
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")
_MIB = 1 << 20


@dataclass(frozen=True)
class Sample:
    """A tree at one moment; what died meanwhile counts as zero."""

    pids: tuple[int, ...]
    tasks: int
    """Threads of the processes below the first."""
    cpu_s: float
    """Of the living, and of the dead whose parents waited for them."""
    resident_mb: float
    """The sum over processes; shared pages count once for each."""


def sample(init: int) -> Sample:
    """The tree below (and with) a process."""
    pids: list[int] = []
    tasks, cpu_s, pages = 0, 0.0, 0
    waiting = [init]
    while waiting:
        pid = waiting.pop()
        pids.append(pid)
        threads = _threads(pid)
        tasks += len(threads) if pid != init else 0
        waiting += [child for thread in threads for child in children(pid, thread)]
        cpu_s += cpu(pid)
        memory = _read(f"/proc/{pid}/statm").split()
        pages += int(memory[1]) if memory else 0
    return Sample(tuple(pids), tasks, cpu_s, pages * _PAGE / _MIB)


def children(pid: int, thread: int) -> list[int]:
    """The living children and unread dead of one thread."""
    return [int(child) for child in _read(f"/proc/{pid}/task/{thread}/children").split()]


def cpu(pid: int) -> float:
    """Seconds that a process and the children it waited for used."""
    fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return sum(int(value) for value in fields[11:15]) / _TICKS


def shared_fairly_mb(pids: tuple[int, ...]) -> float:
    """The resident memory of processes, with each shared page divided among its users."""
    return sum(_fair_kib(pid) for pid in pids) / 1024


def _fair_kib(pid: int) -> int:
    lines = _read(f"/proc/{pid}/smaps_rollup").splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def _threads(pid: int) -> list[int]:
    try:
        return [int(name) for name in os.listdir(f"/proc/{pid}/task")]  # noqa: PTH208 - hot path
    except (FileNotFoundError, ProcessLookupError):
        return []


def _read(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""
