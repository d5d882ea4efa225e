"""A Docker engine for tests: the one that answers, or one of our own that ends with the tests.

Needs root and the Debian packages docker.io and debootstrap.
"""

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from services.settings import read_settings

BASE = "phoenix-e2e-base:bookworm"
"""Debian with python3 and venv, as small as debootstrap makes it."""
_PACKAGES = "python3,python3-venv,python-is-python3"


def docker(*arguments: str, host: str | None = None, seconds: float = 300) -> str:
    """What the docker command printed; it must succeed."""
    env = {**os.environ, **({"DOCKER_HOST": host} if host else {})}
    done = subprocess.run(
        ["docker", *arguments], env=env, capture_output=True, text=True, check=False, timeout=seconds
    )
    assert done.returncode == 0, f"docker {arguments[0]}: {done.stderr[-2000:]}"
    return done.stdout


def answers(host: str | None) -> bool:
    """Whether an engine answers at the address, or at the usual place."""
    try:
        docker("info", host=host, seconds=5)
    except (AssertionError, subprocess.TimeoutExpired):
        return False
    return True


@contextmanager
def engine() -> Iterator[str | None]:
    """The address of an engine that has the base image; None is the usual place."""
    if answers(None):
        _import_base(None)
        yield None
        return
    with _own_engine() as host:
        _import_base(host)
        yield host


@contextmanager
def _own_engine() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="phoenix-dockerd-", ignore_cleanup_errors=True) as folder:
        home, host = Path(folder), f"unix://{folder}/docker.sock"
        options = {"data-root": "data", "exec-root": "exec", "pidfile": "pid"}
        places = [f"--{name}={home / place}" for name, place in options.items()]
        with (home / "log").open("wb") as log:
            daemon = subprocess.Popen(
                ["dockerd", "--iptables=false", "--bridge=none", f"--host={host}", *places],
                stdout=log,
                stderr=log,
            )
        try:
            end = time.monotonic() + 60
            while not answers(host):
                assert daemon.poll() is None and time.monotonic() < end, (home / "log").read_text()[-2000:]
                time.sleep(0.2)
            yield host
        finally:
            daemon.terminate()
            daemon.wait(timeout=30)


def _import_base(host: str | None) -> None:
    docker("import", str(_base_archive()), BASE, host=host)


def _base_archive() -> Path:
    """The base image's files in one archive, made once."""
    place = read_settings().cache / "e2e" / "base-bookworm.tar"
    if place.exists():
        return place
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".making-", dir=place.parent) as folder:
        root, archive = f"{folder}/root", Path(folder, "base.tar")
        made = ["debootstrap", "--variant=minbase", f"--include={_PACKAGES}", "bookworm", root]
        subprocess.run(made, check=True, capture_output=True, timeout=900)
        packed = [
            "tar",
            "--create",
            f"--file={archive}",
            f"--directory={root}",
            "--exclude=./var/cache/apt/*",
            ".",
        ]
        subprocess.run(packed, check=True, capture_output=True)
        archive.rename(place)
    return place
