"""The output folder under fire: what a person put or changed in it stays, and it is whole at every moment."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from benchmarks.chaos.lives import Life, Project
from benchmarks.chaos.siege import Campaign, folder, tree

BRIEF = "# Small Sums\n\nA library of arithmetic functions over integers.\n"
LATER = BRIEF + "Each function is documented with an example.\n"
MODEL = "rehearsal:seed=5,functions=2"


@dataclass
class Guarded:
    """What became of files that are not Phoenix's, and of the folder that they are in."""

    guarded: int = 0
    lost: int = 0
    refusals: int = 0
    refused: int = 0
    looks: int = 0
    torn: int = 0
    same: bool = False

    def look(self, project: Project, trees: set[str | None]) -> None:
        """Look at the folder after a death: it must be one release or the other, whole."""
        self.looks += 1
        self.torn += not (git(project.output, "rev-parse", "HEAD^{tree}") in trees and clean(project.output))

    async def demand_refusal(self, campaign: Campaign, project: Project, file: Path, late: bool) -> Life:
        """Put a file of a person's in the folder; the command must refuse it by name, and it must stay."""
        earlier = file.read_bytes() if file.exists() else None
        size = project.log.stat().st_size
        mine = (earlier or b"") + b"mine\n"

        async def put(_: object = None) -> None:
            if late:
                await project.first_write(size)
            file.write_bytes(mine)

        if not late:
            await put()
        life = await project.live(meanwhile=put if late else None)
        campaign.note(life)
        self.refusals += 1
        self.refused += life.code == 2 and file.name in life.last
        self.guarded += 1
        self.lost += not file.exists() or file.read_bytes() != mine
        if earlier is None:
            file.unlink(missing_ok=True)
        else:
            file.write_bytes(earlier)
        return life


async def guarded_folder(campaign: Campaign, base: Path) -> Guarded:
    """Two releases into one folder, killed around every rename, with a person's files in the way."""
    calm, found = Project(folder(base, "calm-out"), MODEL, BRIEF, ()), Guarded()
    first, calm.brief = await calm.live(), LATER
    trees = {tree(first), tree(second := await calm.live())}
    project = Project(folder(base, "out"), MODEL, BRIEF, ())
    for strikes in ("before 1 rename:out", "after 1 rename:out", ""):
        campaign.note(await project.live(strikes))
        if project.output.exists():
            found.look(project, trees)
    project.brief = LATER
    kept = project.output / ".venv" / "kept.txt"
    kept.parent.mkdir()
    kept.write_text("mine\n")
    for name, late in (("mine.txt", False), ("README.md", False), ("late.txt", True)):
        await found.demand_refusal(campaign, project, project.output / name, late)
        found.look(project, trees)
    renames = (".out.replaced", "old")
    for strikes in (*(f"{side} 1 rename:{name}" for name in renames for side in ("before", "after")), ""):
        life = await project.live(strikes)
        campaign.note(life)
        found.look(project, trees)
    found.guarded += 1
    found.lost += not kept.exists() or kept.read_text() != "mine\n"
    found.same = life.code == 0 and tree(life) == tree(second)
    return found


def git(folder: Path, *arguments: str) -> str | None:
    """What git says; None when it fails."""
    command = ("git", "-c", "safe.directory=*", "-C", str(folder), *arguments)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None


def clean(folder: Path) -> bool:
    """Whether the folder holds what its last commit says."""
    return git(folder, "status", "--porcelain", "--untracked-files=all") == ""
