"""What every test of the command needs."""

from pathlib import Path

import pytest

from tests.phoenix.command import environment
from tests.platform import BRIEF, Platform


@pytest.fixture
def served(platform: Platform) -> dict[str, str]:
    """An environment with every service running."""
    return environment(
        PHOENIX_HOME=str(platform.folder / "home"),
        DATABASE_URL=platform.database_url,
        PREFECT_API_URL=platform.prefect_url,
    )


@pytest.fixture
def brief(tmp_path: Path) -> str:
    """A good brief's file."""
    path = tmp_path / "brief.md"
    path.write_text(BRIEF)
    return str(path)
