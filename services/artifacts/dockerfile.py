"""Checks a Dockerfile: by rules, and by a build without network where an engine has the base image."""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from uuid import uuid4

from schemas.base import SourceFile
from schemas.dockerfile import base_image, dockerfile_problems
from schemas.errors import Unreachable
from schemas.verdict import Verdict
from services.artifacts import engine
from services.artifacts.verdicts import not_run, verdict_of

Wheels = Callable[[], Awaitable[Mapping[str, bytes]]]
_RULES, _BUILD = "Dockerfile", "container build"


async def check_dockerfile(
    text: str, files: Iterable[SourceFile], wheels: Wheels, base: str | None = None
) -> tuple[Verdict, Verdict]:
    """What the rules say, and what a real build of the tree says; another base image can be named.

    The wheels are what the build needs instead of a package index; they are asked for only if it will run.
    """
    tree = {f.path: f.text.encode() for f in files if f.path != "Dockerfile"} | {"Dockerfile": text.encode()}
    rules = verdict_of(_RULES, dockerfile_problems(text, tree), "every rule holds")
    image = base or base_image(text) or ""
    if not await engine.answers():
        return rules, not_run(_BUILD, "no Docker engine answers")
    if not await engine.has_image(image):
        return rules, not_run(_BUILD, f"the base image {image} is not on this machine, and none is pulled")
    try:
        wheelhouse = {f"wheels/{name}": content for name, content in (await wheels()).items()}
    except Unreachable as error:
        return rules, not_run(_BUILD, str(error))
    problem = await _build({**tree, **wheelhouse}, image)
    return rules, verdict_of(_BUILD, [problem] if problem else [], f"built on {image} without network")


async def _build(tree: Mapping[str, bytes], image: str) -> str:
    """What went wrong; both stages are tagged, so that removing the tags leaves nothing behind."""
    tag = f"phoenix-check-{uuid4().hex[:12]}"
    arguments = {"BASE": image, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/build/wheels"}
    with tempfile.TemporaryDirectory(prefix="phoenix-docker-") as folder:
        await asyncio.to_thread(_write, Path(folder), tree)
        try:
            first = await engine.build(Path(folder), f"{tag}:build", arguments, target="build")
            return first or await engine.build(Path(folder), f"{tag}:whole", arguments)
        finally:
            await engine.remove(f"{tag}:whole", f"{tag}:build")


def _write(folder: Path, tree: Mapping[str, bytes]) -> None:
    for path, content in tree.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
