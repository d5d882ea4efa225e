"""Which Phoenix this is, so that processes that work together notice when they are of two versions."""

import hashlib
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("schemas", "services", "agents", "tasks", "flows", "migrations")
"""What decides on the result of a work item: all but the command."""


@cache
def own_code() -> str:
    """The digest of the files that this process works by, prompts and locks included."""
    digest = hashlib.sha256()
    for package in PACKAGES:
        for file in sorted((ROOT / package).rglob("*")):
            if file.is_file() and file.suffix != ".pyc":
                digest.update(f"{file.relative_to(ROOT)}\0{file.stat().st_size}\0".encode())
                digest.update(file.read_bytes())
    return digest.hexdigest()
