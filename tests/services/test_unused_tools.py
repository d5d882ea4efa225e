"""What the cache may lose."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from schemas.errors import ConfigurationError
from services.toolchain import environment_folder, tool_environment
from services.toolchain.unused import remove, unused
from services.toolchain.wheelhouse import build_wheels, wheels_folder

LONG_AGO = datetime(2024, 5, 1, tzinfo=UTC)


def aged(folder: Path) -> Path:
    """A folder that nobody has used since long ago."""
    folder.mkdir(parents=True)
    os.utime(folder, (LONG_AGO.timestamp(), LONG_AGO.timestamp()))
    return folder


async def test_each_use_of_tools_and_wheels_is_marked(tmp_path: Path) -> None:
    for folder in (aged(environment_folder(tmp_path)), aged(wheels_folder(tmp_path))):
        assert folder.stat().st_mtime == LONG_AGO.timestamp()
    began = datetime.now(UTC) - timedelta(seconds=5)
    assert await tool_environment(tmp_path) == environment_folder(tmp_path)
    assert await build_wheels(tmp_path, tmp_path) == {}
    for folder in (environment_folder(tmp_path), wheels_folder(tmp_path)):
        assert folder.stat().st_mtime > began.timestamp()


def test_bytes_that_another_folder_shares_are_not_freed_and_a_link_is_no_folder(tmp_path: Path) -> None:
    old = aged(tmp_path / "toolchains" / "old")
    (old / "own").write_bytes(b"x" * 10)
    (tmp_path / "shared").write_bytes(b"x" * 90)
    (old / "shared").hardlink_to(tmp_path / "shared")
    os.utime(old, (LONG_AGO.timestamp(), LONG_AGO.timestamp()))
    (tmp_path / "toolchains" / "link").symlink_to(tmp_path)
    [found] = unused(tmp_path, datetime.now(UTC) + timedelta(days=1))
    assert (found.folder, found.bytes, found.used) == (old, 10, LONG_AGO)
    remove(found.folder)
    assert [p.name for p in (tmp_path / "toolchains").iterdir()] == ["link"]
    assert (tmp_path / "shared").stat().st_size == 90


def test_a_cache_that_is_not_there_has_nothing_unused(tmp_path: Path) -> None:
    assert list(unused(tmp_path / "missing", datetime.now(UTC))) == []


def test_what_cannot_be_removed_is_named_with_the_way_on(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"cannot remove .*gone: .*PHOENIX_CACHE") as refused:
        remove(tmp_path / "gone")
    assert "\n" not in str(refused.value)
