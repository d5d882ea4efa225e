"""The wheels that build a package without a package index, as the tool environment locks them."""

import asyncio
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from schemas.errors import Unreachable
from services.toolchain import lock_text, mark_used

BUILD_TOOLS = ("hatchling", "packaging", "pathspec", "pluggy", "tomlkit", "trove-classifiers")


def build_lock() -> str:
    """The part of the lock that building a package needs."""
    entries = re.split(r"\n(?=[a-z0-9])", lock_text())
    return "\n".join(e for e in entries if e.split("==")[0] in BUILD_TOOLS) + "\n"


def wheels_folder(cache: Path) -> Path:
    """Where the wheels are."""
    return cache / "wheels" / hashlib.sha256(build_lock().encode()).hexdigest()[:20]


async def build_wheels(cache: Path, environment: Path) -> Mapping[str, bytes]:
    """The wheels by name, fetched with the tool environment's pip when they are missing.

    Raises:
        Unreachable: the wheels cannot be fetched.
    """
    place = wheels_folder(cache)
    if place.exists():
        mark_used(place)
    else:
        await _fetch(place, environment)
    return {wheel.name: wheel.read_bytes() for wheel in sorted(place.glob("*.whl"))}


async def _fetch(place: Path, environment: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=".fetching-", dir=place.parent))
    try:
        (scratch / "lock").write_text(build_lock(), encoding="utf-8")
        await _pip(environment, "--dest", str(scratch / "wheels"), "--requirement", str(scratch / "lock"))
        if not place.exists():
            (scratch / "wheels").rename(place)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


async def _pip(environment: Path, *arguments: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *(str(environment / "bin" / "python"), "-I", "-m", "pip", "--isolated", "download", "--quiet"),
        *("--disable-pip-version-check", "--no-deps", "--require-hashes", "--only-binary", ":all:"),
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=dict(os.environ),
    )
    output, _ = await process.communicate()
    if process.returncode:
        lines = output.decode(errors="replace").strip().splitlines() or ["no message"]
        raise Unreachable(f"the wheels that build a package cannot be fetched: {lines[-1][:200]}")
