"""The tools that run on generated code: one locked environment, made once and shared read-only by digest."""

import asyncio
import contextlib
import hashlib
import os
import shutil
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

import uv

from schemas.errors import Unreachable

HYPOTHESIS = "hypothesis"
"""The folder of the environment where Hypothesis finds what it would else make in every process."""
_TABLES = "from hypothesis.internal import charmap as c; c.charmap(); c.intervals_from_codec('utf-8')"


def lock_text() -> str:
    """The locked requirements of the tool environment."""
    return files("services.toolchain").joinpath("requirements.lock").read_text(encoding="utf-8")


def environment_name() -> str:
    """The digest that names the environment: its lock, its Python and its platform."""
    parts = (lock_text(), _TABLES, sys.version, sys.platform, sys.base_prefix)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:20]


def environment_folder(cache: Path) -> Path:
    """Where the tool environment is."""
    return cache / "toolchains" / environment_name()


def mark_used(place: Path) -> None:
    """Let the folder's time say when it was last used; a cache that may only be read keeps its time."""
    with contextlib.suppress(OSError):
        os.utime(place)


async def tool_environment(cache: Path) -> Path:
    """The folder of the tool environment, made when missing.

    Raises:
        Unreachable: the tools cannot be installed.
    """
    place = environment_folder(cache)
    if place.exists():
        mark_used(place)
        return place
    place.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=".making-", dir=place.parent))
    try:
        await _make(scratch / "venv")
        (scratch / "venv").chmod(0o755)
        _move(scratch / "venv", place)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return place


def _move(made: Path, place: Path) -> None:
    try:
        made.rename(place)
    except OSError:
        if not place.exists():
            raise


async def _make(folder: Path) -> None:
    await _uv("venv", "--no-config", "--no-project", "--python", sys.executable, str(folder))
    lock = folder / "requirements.lock"
    lock.write_text(lock_text(), encoding="utf-8")
    await _uv(
        *("pip", "sync", "--no-config", "--require-hashes", "--only-binary", ":all:", "--compile-bytecode"),
        *("--python", str(folder / "bin" / "python"), str(lock)),
    )
    storage = {"HYPOTHESIS_STORAGE_DIRECTORY": str(folder / HYPOTHESIS)}
    await _run(str(folder / "bin" / "python"), "-I", "-c", _TABLES, env=storage)
    for table in (folder / HYPOTHESIS).rglob("*.gz"):
        table.chmod(0o644)  # Hypothesis makes them for its own user, and the sandbox has another


async def _uv(*arguments: str) -> None:
    await _run(uv.find_uv_bin(), "--quiet", *arguments, env={})


async def _run(*command: str, env: dict[str, str]) -> None:
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={k: v for k, v in os.environ.items() if k != "VIRTUAL_ENV"} | env,
    )
    output, _ = await process.communicate()
    if process.returncode:
        lines = output.decode(errors="replace").strip().splitlines() or ["no message"]
        raise Unreachable(
            f"the tool environment cannot be made: {Path(command[0]).name}: {lines[0][:200]}. "
            "Is the package index reachable? Then run the same command again."
        )
