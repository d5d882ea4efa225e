"""What a sandbox is asked, what it may use, and what came out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from schemas.verdict import Confinement


@dataclass(frozen=True)
class Limits:
    """What one job may use; a limit is for the whole tree of processes unless it says otherwise."""

    wall_s: float = 60
    """Seconds from the program's start."""
    cpu_s: int = 60
    """Seconds of processor time."""
    memory_mb: int = 1024
    """MiB of resident memory, and of data segments for each process."""
    processes: int = 64
    """Processes and threads that live at once."""
    file_mb: int = 32
    """MiB of one file, and of all collected files together."""
    open_files: int = 256
    """Descriptors of each process."""
    output_bytes: int = 200_000
    """Bytes kept of stdout and of stderr each; sixty-four times as much ends the job."""
    tmp_mb: int = 256
    """MiB of each writable place: /tmp, /out, /dev/shm and a writable /code."""


@dataclass(frozen=True)
class Job:
    """One program with all that it may see."""

    argv: tuple[str, ...]
    code: Mapping[str, bytes]
    """Relative path to content, below /code, which is the working directory."""
    code_writable: bool = False
    """Whether /code is a private writable copy."""
    tests: Mapping[str, bytes] = field(default_factory=dict)
    """Relative path to content, read-only below /tests; empty: there is no /tests."""
    environment: Path | None = None
    """A virtual environment, read-only at /venv, with its base interpreter at its own path."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Variables beside the fixed ones."""
    collect: tuple[str, ...] = ()
    """Names of files below /out to bring back."""
    limits: Limits = field(default_factory=Limits)
    stdin: bytes = b""


@dataclass(frozen=True)
class Outcome:
    """How a job ended."""

    exit_code: int | None
    """None when we killed it; 128 + n when signal n ended it (a program can fake that)."""
    signal: int | None
    stdout: bytes
    stderr: bytes
    truncated: bool
    """Whether a stream held more than was kept."""
    limits_hit: tuple[str, ...]
    """Of wall, cpu, memory, output, files (too many), file_size, processes; the last two may be hidden."""
    wall_s: float
    cpu_s: float
    peak_mb: float
    """The highest sampled sum of resident memory, in MiB."""
    collected: Mapping[str, bytes]
    refused: tuple[str, ...]
    """'name: why' for each name of Job.collect that did not come back."""
    confinement: Confinement
