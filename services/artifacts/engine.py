"""A container engine that is there already: asked by the docker command, never started by us."""

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path

ANSWER_S = 5
BUILD_S = 600


async def answers() -> bool:
    """Whether an engine answers within five seconds."""
    return (await _docker("info", "--format", "{{.ServerVersion}}", seconds=ANSWER_S))[0] == 0


async def has_image(reference: str) -> bool:
    """Whether an image is there without being pulled."""
    return (await _docker("image", "inspect", "--format", "{{.Id}}", reference))[0] == 0


async def build(folder: Path, tag: str, arguments: Mapping[str, str], target: str | None = None) -> str:
    """What went wrong when an image was built from a folder without a network; empty when nothing did."""
    given = [word for name, value in sorted(arguments.items()) for word in ("--build-arg", f"{name}={value}")]
    stage = ["--target", target] if target else []
    options = ["--network", "none", "--pull=false", "--force-rm", "--tag", tag, *given, *stage]
    code, output = await _docker("build", *options, str(folder), seconds=BUILD_S)
    if code == 0:
        return ""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    told = list(dict.fromkeys([*(line for line in lines if "ERROR" in line), *lines[-1:]]))
    return f"docker build ended with {code}: {' | '.join(told)[:600] or 'no message'}"


async def remove(*tags: str) -> None:
    """Remove images that were built; one that is not there is no error."""
    await _docker("image", "rm", "--force", *tags)


async def _docker(*arguments: str, seconds: float = 60) -> tuple[int, str]:
    """The exit code and the output of the docker command; 127 when there is none, 124 after its time."""
    try:
        process = await asyncio.create_subprocess_exec(
            "docker",
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, "DOCKER_CLI_HINTS": "false", "BUILDKIT_PROGRESS": "plain"},
        )
    except FileNotFoundError:
        return 127, "there is no docker command"
    try:
        output, _ = await asyncio.wait_for(process.communicate(), seconds)
    except TimeoutError:
        return 124, f"no end within {seconds:g} s"
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode or 0, output.decode(errors="replace")
