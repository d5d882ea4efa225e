"""What a person sees in a browser: the run in the Prefect UI, and its report, also on a phone.

Needs the Debian package chromium; select with -m e2e.
"""

import asyncio
import re
import tempfile
from pathlib import Path

import pytest

from phoenix.report.command import write_report
from tests.flows.test_full import full_order
from tests.platform import Platform

pytestmark = [
    pytest.mark.services,
    pytest.mark.e2e,
    pytest.mark.filterwarnings("default::DeprecationWarning", "default::ResourceWarning"),
]
QUIET = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--hide-scrollbars"),
)


async def chromium(*arguments: str) -> str:
    """What Chromium prints."""
    with tempfile.TemporaryDirectory() as profile:
        process = await asyncio.create_subprocess_exec(
            "chromium",
            *(*QUIET, f"--user-data-dir={profile}", *arguments),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        async with asyncio.timeout(120):
            said, _ = await process.communicate()
    assert process.returncode == 0
    return said.decode()


async def test_a_run_is_seen_in_the_prefect_ui_and_in_its_report(platform: Platform, tmp_path: Path) -> None:
    ending = await platform.build(full_order())
    [opened] = [e for e in await platform.events() if e.kind == "execution_opened"]
    ui = platform.prefect_url.removesuffix("/api")
    page = await chromium(
        "--virtual-time-budget=20000", "--dump-dom", f"{ui}/runs/flow-run/{opened.payload['flow_run']}"
    )
    assert "tiny-sums" in page
    assert "Completed" in page

    async with platform.database() as database:
        report = await write_report(database, tmp_path, ending.run)
    seen = await chromium("--dump-dom", report.as_uri())
    for state in ("REQUIREMENT_INGESTION", "GENERATION_CYCLE", "IMPLEMENT_CODE", "FINAL_REVIEW"):
        assert state in seen
    assert not re.search(r"(?:src|href)=\"(?:https?:)?//", seen), "nothing is loaded from elsewhere"
    for width in (360, 1200):
        picture = tmp_path / f"{width}.png"
        await chromium(f"--window-size={width},1600", f"--screenshot={picture}", report.as_uri())
        assert picture.stat().st_size > 10_000
