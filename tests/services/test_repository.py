"""Releases in git: history is kept, nothing newer is overwritten, a kill costs nothing."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from schemas.base import SourceFile
from schemas.errors import InputError
from schemas.project import MANIFEST_PATH
from services.repository import Commit, check_output, write_release
from tests.builders import source

MANIFEST = source(MANIFEST_PATH, "{}\n")
IGNORE = source(".gitignore", ".venv/\n*.log\n")
FIRST = (MANIFEST, IGNORE, source("src/a.py", "x = 1\n"), source("README.md", "# A\r\nwindows line\r\n"))
SECOND = (MANIFEST, IGNORE, source("src/b.py", "y = 2\n"))


def git(folder: Path, *arguments: str) -> str:
    command = ("git", "-C", str(folder), "-c", "user.name=me", "-c", "user.email=me@x", *arguments)
    kept = {
        k: v
        for k, v in os.environ.items()
        if not k.startswith("GIT_") and k not in ("HOME", "XDG_CONFIG_HOME")
    }
    neutral = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={**kept, **neutral})
    return done.stdout.strip()


async def release(
    folder: Path, files: tuple[SourceFile, ...] = FIRST, title: str = "Release 0.1.0"
) -> Commit:
    return await write_release(folder, files, title, {"Phoenix-Run": "r1", "Phoenix-Cost": "0.01 USD"})


def left_over(folder: Path) -> list[str]:
    """What lies beside the folder."""
    return sorted(p.name for p in folder.parent.iterdir() if p != folder)


async def refused(folder: Path, said: str) -> None:
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} if folder.is_dir() else {}
    for attempt in (check_output(folder), release(folder, SECOND)):
        with pytest.raises(InputError, match=said) as caught:
            await attempt
        assert str(folder) in str(caught.value)
    after = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} if folder.is_dir() else {}
    assert after.keys() == before.keys()
    assert all(after[p] == before[p] for p in before if p.name != "index")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "out"


async def test_a_first_release_is_a_clean_repository_with_one_commit(folder: Path) -> None:
    made = await release(folder)
    assert (made.path, made.new) == (folder, True)
    assert git(folder, "rev-parse", "HEAD") == made.commit
    assert git(folder, "rev-parse", "HEAD^{tree}") == made.tree
    assert git(folder, "status", "--porcelain", "--ignored") == ""
    assert git(folder, "log", "--format=%an <%ae>%n%B").splitlines() == [
        *("Phoenix <phoenix@localhost>", "Release 0.1.0", "", "Phoenix-Run: r1", "Phoenix-Cost: 0.01 USD")
    ]
    assert git(folder, "branch", "--show-current") == "main"
    assert (folder / "README.md").read_bytes() == b"# A\r\nwindows line\r\n"
    assert (folder.stat().st_mode & 0o777, left_over(folder)) == (0o755, [])


async def test_the_same_tree_again_changes_nothing(folder: Path) -> None:
    first = await release(folder)
    again = await release(folder, tuple(reversed(FIRST)), "Another title")
    assert (again.commit, again.tree, again.new) == (first.commit, first.tree, False)
    assert left_over(folder) == []


async def test_a_second_release_keeps_history_and_drops_old_files(folder: Path) -> None:
    first, second = await release(folder), await release(folder, SECOND, "Release 0.2.0")
    assert second.new
    assert git(folder, "rev-list", "HEAD").split() == [second.commit, first.commit]
    assert sorted(p.name for p in (folder / "src").iterdir()) == ["b.py"]
    assert not (folder / "README.md").exists()
    assert git(folder, "status", "--porcelain") == ""


async def test_an_empty_folder_is_used(folder: Path) -> None:
    folder.mkdir(parents=True)
    assert (await release(folder)).new
    assert left_over(folder) == []


async def test_files_that_git_ignores_are_committed_when_they_are_in_the_release(folder: Path) -> None:
    await release(folder, (*FIRST, source("kept.log", "x\n")))
    assert "kept.log" in git(folder, "ls-files").split()


async def test_a_changed_file_is_not_overwritten(folder: Path) -> None:
    await release(folder)
    (folder / "src" / "a.py").write_text("mine\n")
    await refused(folder, r"changes that Phoenix did not make \(first: M src/a\.py\)")


async def test_a_deleted_file_is_noticed(folder: Path) -> None:
    await release(folder)
    (folder / "src" / "a.py").unlink()
    await refused(folder, r"first: D src/a\.py")


async def test_an_untracked_file_is_not_lost(folder: Path) -> None:
    await release(folder)
    (folder / "notes").mkdir()
    (folder / "notes" / "mine.txt").write_text("mine\n")
    await refused(folder, r"first: \?\? notes/mine\.txt")


async def test_a_commit_by_somebody_else_is_not_buried(folder: Path) -> None:
    await release(folder)
    (folder / "src" / "a.py").write_text("mine\n")
    git(folder, "commit", "--quiet", "--all", "--message", "Mine")
    await refused(folder, "its last commit is by me@x")


async def test_a_foreign_repository_is_refused(folder: Path) -> None:
    folder.mkdir(parents=True)
    git(folder, "init", "--quiet")
    await refused(folder, "not empty and is not a release of Phoenix")


@pytest.mark.parametrize("path", ["mine.txt", ".hidden", MANIFEST_PATH])
async def test_a_folder_with_anything_else_in_it_is_refused(folder: Path, path: str) -> None:
    (folder / path).parent.mkdir(parents=True)
    (folder / path).write_text("mine\n")
    await refused(folder, "not empty and is not a release of Phoenix")


@pytest.mark.parametrize("below", ["", "out", "a/b/c"])
async def test_a_place_that_is_a_file_is_refused(tmp_path: Path, below: str) -> None:
    place = tmp_path / "file"
    place.write_text("mine\n")
    await refused(place / below, "is not a folder that you can write")
    assert place.read_text() == "mine\n"


async def test_what_git_ignores_is_carried_over(folder: Path) -> None:
    await release(folder)
    (folder / ".venv" / "bin").mkdir(parents=True)
    (folder / ".venv" / "bin" / "python").symlink_to("/usr/bin/python3")
    (folder / "src" / "run.log").write_text("log\n")
    await release(folder, SECOND)
    assert (folder / ".venv" / "bin" / "python").is_symlink()
    assert (folder / "src" / "run.log").read_text() == "log\n"
    assert left_over(folder) == []
    await check_output(folder)


async def test_the_folder_is_there_at_every_step_of_a_switch(folder: Path) -> None:
    first = await release(folder)
    watching, seen = True, list[bool]()

    def look(event: str, _: object) -> None:
        if watching and event == "os.rename":
            seen.append((folder / MANIFEST_PATH).is_file())

    sys.addaudithook(look)
    second = await release(folder, SECOND)
    watching = False
    assert len(seen) > 1
    assert all(seen)
    assert git(folder, "rev-list", "HEAD") == f"{second.commit}\n{first.commit}"


async def test_a_switch_that_was_killed_before_the_trees_changed_places_is_begun_again(folder: Path) -> None:
    first = await release(folder)
    await release(folder.with_name("made"), SECOND)
    folder.with_name("made").rename(replaced(folder))
    await check_output(folder)
    assert git(folder, "rev-parse", "HEAD") == first.commit
    assert left_over(folder) == []
    assert (await release(folder, SECOND)).new


def replaced(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.replaced")


async def test_a_switch_that_was_killed_between_its_steps_is_taken_back(folder: Path) -> None:
    first = await release(folder)
    (folder / ".venv").mkdir()
    folder.rename(replaced(folder))
    await check_output(folder)
    assert git(folder, "rev-parse", "HEAD") == first.commit
    assert (folder / ".venv").is_dir()
    assert left_over(folder) == []
    assert (await release(folder, SECOND)).new


async def test_a_switch_that_was_killed_before_its_end_is_finished(folder: Path) -> None:
    await release(folder)
    shutil.copytree(folder, replaced(folder), symlinks=True)
    second = await release_without_old(folder)
    (replaced(folder) / ".venv").mkdir()
    (replaced(folder) / ".venv" / "pyvenv.cfg").write_text("home\n")
    await check_output(folder)
    assert git(folder, "rev-parse", "HEAD") == second.commit
    assert (folder / ".venv" / "pyvenv.cfg").read_text() == "home\n"
    assert left_over(folder) == []


async def release_without_old(folder: Path) -> Commit:
    """A second release of the folder while the tree that it replaced waits elsewhere."""
    aside = replaced(folder).with_name("aside")
    replaced(folder).rename(aside)
    made = await release(folder, SECOND)
    aside.rename(replaced(folder))
    return made


@pytest.mark.parametrize("released", [True, False])
async def test_a_folder_of_somebody_else_beside_the_output_is_not_removed(
    folder: Path, released: bool
) -> None:
    if released:
        await release(folder)
    replaced(folder).mkdir(parents=True)
    (replaced(folder) / "mine.txt").write_text("mine\n")
    with pytest.raises(InputError, match="not a release of Phoenix"):
        await check_output(folder)
    assert (replaced(folder) / "mine.txt").read_text() == "mine\n"


async def test_the_tree_is_the_same_in_every_folder(tmp_path: Path) -> None:
    one = await release(tmp_path / "one")
    other = await release(tmp_path / "o t h e r é", tuple(reversed(FIRST)), "Another")
    assert one.tree == other.tree


@pytest.fixture
def hostile_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user whose git signs, hooks, converts line ends, ignores files and points elsewhere."""
    home = tmp_path / "home"
    hooks, config = home / "hooks", home / ".config" / "git"
    for place in (hooks, config, home / "template" / "hooks"):
        place.mkdir(parents=True)
    for hook in (hooks / "pre-commit", hooks / "post-commit", home / "template" / "hooks" / "pre-commit"):
        hook.write_text(f"#!/bin/sh\ntouch {home}/hooked\nexit 1\n")
        hook.chmod(0o755)
    (home / ".gitconfig").write_text(
        f"[core]\n\thooksPath = {hooks}\n\tautocrlf = true\n\teol = crlf\n\texcludesFile = {config}/ignore\n"
        "[commit]\n\tgpgsign = true\n[gpg]\n\tprogram = /bin/false\n"
        f"[init]\n\ttemplateDir = {home}/template\n"
        "\tdefaultBranch = other\n[user]\n\tname = Me\n\temail = me@x\n"
    )
    (config / "attributes").write_text("* text eol=lf\n*.py ident\n")
    (config / "ignore").write_text("*.txt\nREADME.md\n")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(home / ".gitconfig"))
    monkeypatch.setenv("GIT_DIR", str(home / "elsewhere"))
    monkeypatch.setenv("GIT_AUTHOR_EMAIL", "env@x")
    monkeypatch.setenv("GIT_TEMPLATE_DIR", str(home / "template"))
    return home


TELLING = (*FIRST, source("src/ident.py", "# $Id: nothing $\n"), source("a.txt", "b\r\n"))


async def test_the_users_git_configuration_changes_nothing(tmp_path: Path, hostile_home: Path) -> None:
    hostile = await release(tmp_path / "hostile", TELLING)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(tmp_path))
        for variable in ("GIT_CONFIG_GLOBAL", "GIT_DIR", "GIT_AUTHOR_EMAIL", "GIT_TEMPLATE_DIR"):
            patch.delenv(variable)
        plain = await release(tmp_path / "plain", TELLING)
    assert hostile.tree == plain.tree
    assert not (hostile_home / "hooked").exists()
    assert git(hostile.path, "log", "--format=%ae %ce") == "phoenix@localhost phoenix@localhost"
    assert (hostile.path / "src" / "ident.py").read_text() == "# $Id: nothing $\n"
    (hostile.path / "mine.txt").write_text("mine\n")
    await refused(hostile.path, r"first: \?\? mine\.txt")
