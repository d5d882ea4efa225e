"""The folder on our side that a sandbox sees read-only."""

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from schemas.errors import InputError
from services.sandbox.job import Job

_ETC = {
    "passwd": "root:x:0:0::/nonexistent:/bin/false\nsandbox:x:{uid}:{uid}::/tmp:/bin/sh\n",  # nosec B105 - no password
    "group": "root:x:0:\nsandbox:x:{uid}:\n",
    "hosts": "127.0.0.1 localhost sandbox\n::1 localhost\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
}


PREFIX = "phoenix-sandbox-"


def sweep() -> None:
    """Remove the folders that killed processes of this user left behind."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*-*"):
        owner = folder.name.removeprefix(PREFIX).split("-")[0]
        gone = owner.isdigit() and not Path("/proc", owner).exists()
        if gone and folder.is_dir() and folder.owner() == Path("/proc/self").owner():
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def staged(job: Job, uid: int) -> Iterator[Path]:
    """A folder with code/, tests/ and etc/, gone at the end."""
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))
    try:
        _write(folder / "code", job.code)
        _write(folder / "tests", job.tests)
        _write(folder / "etc", {name: text.format(uid=uid).encode() for name, text in _ETC.items()})
        yield folder
    finally:
        shutil.rmtree(folder)


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    _open_folder(folder)
    for name, content in files.items():
        parts = PurePosixPath(name).parts
        if not parts or parts[0] == "/" or ".." in parts or "\x00" in name:
            raise InputError(f"file name {name!r} must be relative and stay inside the project")
        place = folder
        for part in parts[:-1]:
            place = place / part
            _open_folder(place)
        file = place / parts[-1]
        file.write_bytes(content)
        file.chmod(0o644)


def _open_folder(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)
