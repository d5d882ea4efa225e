"""Tool environments and wheels that this version does not need and no other one has used for long."""

import os
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from schemas.errors import ConfigurationError
from services.toolchain import environment_folder
from services.toolchain.wheelhouse import wheels_folder


@dataclass(frozen=True)
class Unused:
    """A folder of the cache that may go."""

    folder: Path
    bytes: int
    """What removing it frees; files that another folder shares are not counted."""
    used: datetime
    """When it was last used, or left unfinished."""


def unused(cache: Path, before: datetime) -> Iterator[Unused]:
    """The folders that nobody has used since a time; never those of this version."""
    needed = {environment_folder(cache), wheels_folder(cache)}
    for parent in sorted({folder.parent for folder in needed}):
        for folder in sorted(parent.glob("*")):
            used = datetime.fromtimestamp(folder.lstat().st_mtime, UTC)
            if folder not in needed and folder.is_dir() and not folder.is_symlink() and used < before:
                yield Unused(folder, _bytes(folder), used)


def remove(folder: Path) -> None:
    """Remove a folder of the cache; nobody finds half of it under its name.

    Raises:
        ConfigurationError: it cannot be removed.
    """
    leaving = folder.with_name(f".leaving-{uuid.uuid4().hex}")
    try:
        folder.rename(leaving)
        shutil.rmtree(leaving)
    except OSError as error:
        raise ConfigurationError(
            f"cannot remove {error.filename or folder}: {error.strerror}. "
            "Run it as the user who owns PHOENIX_CACHE, then type the same command again."
        ) from None


def _bytes(folder: Path) -> int:
    files = (Path(place, name).lstat() for place, _, names in os.walk(folder) for name in names)
    return sum(file.st_size for file in files if file.st_nlink == 1)
