"""The wheels that a build without network needs are those that the lock names for hatchling."""

import re

from services.toolchain import lock_text
from services.toolchain.wheelhouse import BUILD_TOOLS, build_lock


def test_the_build_tools_are_hatchling_and_all_that_it_needs() -> None:
    entries = re.split(r"\n(?=[a-z0-9])", lock_text())
    needed = {e.split("==")[0] for e in entries if re.search(r"#\s+(via )?\s*hatchling$", e, re.MULTILINE)}
    assert {"hatchling", *needed} == set(BUILD_TOOLS)


def test_the_part_of_the_lock_keeps_every_hash() -> None:
    assert [line.split("==")[0] for line in build_lock().splitlines() if "==" in line] == list(BUILD_TOOLS)
    assert build_lock().count("--hash=sha256:") >= 2 * len(BUILD_TOOLS)
