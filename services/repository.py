"""A project's git repository: written from a release, never over anything newer."""

import asyncio
import ctypes
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from schemas.base import SourceFile
from schemas.errors import InputError, PhoenixError
from schemas.project import MANIFEST_PATH

NEUTRAL = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_AUTHOR_NAME": "Phoenix",
    "GIT_AUTHOR_EMAIL": "phoenix@localhost",
    "GIT_COMMITTER_NAME": "Phoenix",
    "GIT_COMMITTER_EMAIL": "phoenix@localhost",
    "LC_ALL": "C.UTF-8",
}
_OPTIONS = (
    "-c",
    "core.autocrlf=false",
    "-c",
    "core.hooksPath=/dev/null",
    "-c",
    "core.attributesFile=/dev/null",
    "-c",
    "core.excludesFile=/dev/null",
    "-c",
    "gc.auto=0",
    "-c",
    "safe.directory=*",
)


AT_FDCWD, RENAME_EXCHANGE = -100, 2
LONGEST_NAME = 200
"""Bytes of a folder's name; a scratch folder beside it has a longer one."""


@dataclass(frozen=True)
class Commit:
    """A release as git holds it."""

    path: Path
    commit: str
    tree: str
    new: bool
    """False when the folder held this tree already."""


async def check_output(folder: Path) -> None:
    """Refuse a folder that holds anything but an unchanged release of ours.

    Raises:
        InputError: the folder cannot be written, or holds somebody else's work or changes.
    """
    if not 0 < len(folder.name.encode()) <= LONGEST_NAME:
        raise InputError(f"output {folder}: not a name for a folder. Give another --output.")
    await _finish_switch(folder)
    parent = next(p for p in (folder, *folder.parents) if p.exists())
    if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
        raise InputError(
            f"output {folder}: {parent} is not a folder that you can write. Give another --output."
        )
    try:
        Path(tempfile.mkdtemp(prefix=".phoenix-", dir=parent if parent != folder else parent.parent)).rmdir()
    except OSError as error:
        raise InputError(
            f"output {folder}: cannot be written ({error.strerror}). Give another --output."
        ) from None
    if not folder.exists() or not any(folder.iterdir()):
        return
    if not (folder / MANIFEST_PATH).is_file() or not (folder / ".git").is_dir():
        raise InputError(
            f"output {folder}: the folder is not empty and is not a release of Phoenix. "
            "Give --output a new or empty folder."
        )
    changes = await _git(folder, "status", "--porcelain", "--untracked-files=all")
    if changes:
        first = changes.splitlines()[0].strip()
        raise InputError(
            f"output {folder}: holds changes that Phoenix did not make (first: {first}). "
            "Commit them elsewhere or give another --output; nothing was overwritten."
        )
    author = await _git(folder, "log", "-1", "--format=%ae")
    if author != NEUTRAL["GIT_AUTHOR_EMAIL"]:
        raise InputError(
            f"output {folder}: its last commit is by {author}, not by Phoenix. "
            "Give another --output; nothing was overwritten."
        )


async def write_release(
    folder: Path, files: Iterable[SourceFile], title: str, trailers: Mapping[str, str]
) -> Commit:
    """Commit a release's files to the folder's repository, switched in at one step.

    Raises:
        InputError: the folder holds anything but an unchanged release of ours.
    """
    await check_output(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        made = scratch / "new"
        if (folder / ".git").is_dir():
            shutil.copytree(folder / ".git", made / ".git", symlinks=True)
        else:
            made.mkdir()
            await _git(made, "init", "--quiet", "--initial-branch=main", "--template=")
        _write(made, files)
        await _git(made, "add", "--all", "--force", ".")
        tree = await _git(made, "write-tree")
        if await _head_tree(made) == tree:
            return Commit(folder, await _git(made, "rev-parse", "HEAD"), tree, new=False)
        message = title + "\n\n" + "\n".join(f"{key}: {value}" for key, value in trailers.items())
        await _git(made, "commit", "--quiet", "--no-verify", "--no-gpg-sign", "-m", message)
        commit = Commit(folder, await _git(made, "rev-parse", "HEAD"), tree, new=True)
        made.chmod(0o755)
        await _switch(folder, made)
        return commit
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _write(made: Path, files: Iterable[SourceFile]) -> None:
    for file in files:
        target = made / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.text.encode())
        target.chmod(0o644)


def _old(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.replaced")


async def _switch(folder: Path, made: Path) -> None:
    """Put the new tree in its place; where the system can, the folder is there at every moment."""
    if folder.exists():
        made.rename(_old(folder))
        if not _exchanged(_old(folder), folder):
            _old(folder).rename(made)
            folder.rename(_old(folder))
    if made.exists():
        made.rename(folder)
    await _finish_switch(folder)


def _exchanged(one: Path, other: Path) -> bool:
    """Whether two folders changed places, in one step; no means that they are where they were."""
    exchange = getattr(ctypes.CDLL(None), "renameat2", None)
    places = (AT_FDCWD, bytes(one), AT_FDCWD, bytes(other), RENAME_EXCHANGE)
    return exchange is not None and exchange(*places) == 0


async def _finish_switch(folder: Path) -> None:
    """End a switch, also one that was killed: put the old tree back, or carry over what git ignores in it."""
    old = _old(folder)
    if not old.exists():
        return
    if any(old.iterdir()) and not (old / MANIFEST_PATH).is_file():
        raise InputError(
            f"output {folder}: {old} stands in the way and is not a release of Phoenix. "
            "Move it elsewhere; nothing was overwritten."
        )
    if not folder.exists():
        old.rename(folder)
        return
    if (old / ".git").is_dir():
        listed = await _git(
            old, "ls-files", "-z", "--others", "--ignored", "--exclude-standard", "--directory"
        )
        for name in filter(None, listed.split("\0")):
            target = folder / name
            if not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                (old / name).rename(target)
    rubbish = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    old.rename(rubbish / "old")
    shutil.rmtree(rubbish)


async def _head_tree(folder: Path) -> str:
    try:
        return await _git(folder, "rev-parse", "--verify", "--quiet", "HEAD^{tree}")
    except PhoenixError:
        return ""


async def _git(folder: Path, *arguments: str) -> str:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    try:
        process = await asyncio.create_subprocess_exec(
            *("git", *_OPTIONS, "-C", str(folder), *arguments),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**kept, **NEUTRAL},
        )
    except FileNotFoundError:
        raise InputError("git is not installed. Type: apt-get install git") from None
    output, errors = await process.communicate()
    if process.returncode:
        lines = errors.decode(errors="replace").strip().splitlines() or ["no message"]
        raise PhoenixError(f"git {arguments[0]} in {folder}: {lines[0]}")
    return output.decode(errors="replace").strip()
