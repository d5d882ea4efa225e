"""The probe's program: tries from inside what must not work, and reports what did."""

import json
import os
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


def works(attempt: Callable[[], object]) -> bool:
    """Whether an attempt went through."""
    try:
        attempt()
    except OSError:
        return False
    return True


def children(wanted: int) -> int:
    """How many of the wanted children could live at once."""
    alive: list[int] = []
    try:
        for _ in range(wanted):
            pid = os.fork()
            if pid == 0:
                signal.pause()
            alive.append(pid)
    except OSError:
        return len(alive)
    finally:
        for pid in alive:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    return len(alive)


def broken(facts: dict[str, Any]) -> list[str]:
    """The walls that do not hold."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    walls = {
        "runs as root": os.getuid() == 0 or os.getgid() == 0,
        "has capabilities": int(status["CapEff"], 16) != 0 or int(status["CapPrm"], 16) != 0,
        "may gain privileges": status["NoNewPrivs"].strip() != "1",
        "reads outside files": any(Path(path).exists() for path in facts["files"]),
        "reaches the host's network": works(
            lambda: socket.create_connection(("127.0.0.1", facts["port"]), 2)
        ),
        "sees the host's processes": len([name for name in os.listdir("/proc") if name.isdigit()]) > 8,  # noqa: PTH208
        "signals us": facts["pid"] > 8 and works(lambda: os.kill(facts["pid"], 0)),
        "sees our environment": bool(set(os.environ) - set(facts["variables"])),
        "exceeds the process limit": children(facts["processes"] + 4) >= facts["processes"],
        "has open descriptors": len(os.listdir("/proc/self/fd")) > 4,  # noqa: PTH208
    }
    for name, link in facts["namespaces"].items():
        walls[f"shares the {name} namespace"] = str(Path(f"/proc/self/ns/{name}").readlink()) == link
    for place in ("/", "/usr", "/etc", "/code", "/dev", "/venv", "/sys"):
        walls[f"writes to {place}"] = works(lambda place=place: Path(place, "phoenix-probe").touch())  # type: ignore[misc]
    return [name for name, through in walls.items() if through]


if __name__ == "__main__":
    sys.stdout.write(json.dumps(broken(json.load(sys.stdin))))
