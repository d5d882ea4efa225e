"""Finds a sandbox by trying it, never by the existence of a binary."""

import json
import os
import shutil
import socket
import sys
import tempfile
from pathlib import Path

from schemas.errors import SandboxUnavailable
from services.sandbox.bubblewrap import Bubblewrap
from services.sandbox.bwrap import ENVIRONMENT, Tools
from services.sandbox.job import Job, Limits
from services.sandbox.sandbox import Sandbox
from services.sandbox.staging import sweep

_INSTALL = "Install or repair it: apt-get install bubblewrap util-linux."
_NAMESPACES = "In a container allow user namespaces and an unmasked /proc, or run as root with CAP_SYS_ADMIN."
_LIMITS = Limits(wall_s=20, cpu_s=10, processes=16, memory_mb=256)
_proved: dict[tuple[int, str, float], Bubblewrap] = {}


async def open_sandbox(bwrap: str | None = None) -> Sandbox:
    """A sandbox that held against the probe, which runs once per process, user and binary.

    Raises:
        SandboxUnavailable: nothing here confines a program; the message says why and what to install.
    """
    if sys.platform != "linux":
        raise SandboxUnavailable(f"no sandbox for {sys.platform}: run Phoenix on Linux with bubblewrap.")
    tools = Tools(_find("bwrap", bwrap), _find("setpriv"), _find("prlimit"))
    key = (os.geteuid(), tools.bwrap, Path(tools.bwrap).stat().st_mtime)
    if key not in _proved:
        sweep()
        sandbox = Bubblewrap(tools)
        await _probe(sandbox)
        _proved[key] = sandbox
    return _proved[key]


def _find(program: str, given: str | None = None) -> str:
    found = shutil.which(given or program)
    if not found:
        raise SandboxUnavailable(f"no sandbox: {given or program} is not installed. {_INSTALL}")
    return found


async def _probe(sandbox: Bubblewrap) -> None:
    with tempfile.NamedTemporaryFile() as secret, socket.create_server(("127.0.0.1", 0)) as listener:
        facts = {
            "files": [secret.name, "/etc/shadow"],
            "port": listener.getsockname()[1],
            "pid": os.getpid(),
            "variables": [*ENVIRONMENT, "PWD", "SHLVL", "_", "OLDPWD"],
            "processes": _LIMITS.processes,
            "namespaces": {
                name: str(Path(f"/proc/self/ns/{name}").readlink())
                for name in ("pid", "net", "mnt", "ipc", "uts")
            },
        }
        environment = _environment()
        python = f"/venv/bin/{Path(sys.executable).name}" if environment else "python3"
        job = Job(
            argv=(python, "-I", "-S", "inside.py"),
            code={"inside.py": Path(__file__).with_name("inside.py").read_bytes()},
            environment=environment,
            limits=_LIMITS,
            stdin=json.dumps(facts).encode(),
        )
        try:
            outcome = await sandbox.run(job)
        except SandboxUnavailable as error:
            raise SandboxUnavailable(f"no sandbox: {error}. {_INSTALL} {_NAMESPACES}") from None
    if outcome.exit_code != 0:
        said = outcome.stderr.decode(errors="replace").strip().splitlines()
        raise SandboxUnavailable(
            f"no sandbox: the probe did not run: {said[-1] if said else outcome}. {_INSTALL}"
        )
    if broken := json.loads(outcome.stdout):
        raise SandboxUnavailable(f"no sandbox: a program inside {', '.join(broken)}. {_NAMESPACES}")


def _environment() -> Path | None:
    """Our own Python, when it may be mounted for the probe; else the system's is taken."""
    base = Path(sys.executable).resolve()
    reachable = os.access(base, os.X_OK) and os.access(base.parent.parent, os.R_OK)
    return Path(sys.prefix) if reachable else None
