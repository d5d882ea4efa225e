"""Brings files back from a place whose writers are dead but were hostile."""

import os
import stat

_FOLDER = os.O_PATH | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_DEPTH = 8
_CHUNK = 1 << 20


class _Refused(Exception):
    pass


def collect(out: int, names: tuple[str, ...], budget: int) -> tuple[dict[str, bytes], tuple[str, ...]]:
    """The regular files below a pinned folder, at most budget bytes together; 'name: why' for others."""
    files: dict[str, bytes] = {}
    refused: list[str] = []
    for name in names:
        try:
            files[name] = _read(out, name, budget)
            budget -= len(files[name])
        except _Refused as reason:
            refused.append(f"{name}: {reason}")
        except OSError as error:
            refused.append(f"{name}: {os.strerror(error.errno or 0)}")
    return files, tuple(refused)


def _read(out: int, name: str, budget: int) -> bytes:
    parts = name.split("/")
    if not name.isprintable() or len(parts) > _DEPTH or any(part in ("", ".", "..") for part in parts):
        raise _Refused("not a plain relative name")
    folder = os.dup(out)
    try:
        for part in parts[:-1]:
            below = os.open(part, _FOLDER, dir_fd=folder)
            os.close(folder)
            folder = below
        return _content(folder, parts[-1], budget)
    finally:
        os.close(folder)


def _content(folder: int, name: str, budget: int) -> bytes:
    seen = os.stat(name, dir_fd=folder, follow_symlinks=False)
    if not stat.S_ISREG(seen.st_mode):
        raise _Refused("not a regular file")
    if seen.st_nlink != 1:
        raise _Refused("a hard link")
    file = os.open(name, _FILE, dir_fd=folder)
    try:
        content = bytearray()
        while chunk := os.read(file, min(_CHUNK, budget + 1 - len(content))):
            content += chunk
            if len(content) > budget:
                raise _Refused("larger than the budget")
        return bytes(content)
    finally:
        os.close(file)
