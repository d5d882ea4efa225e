"""How soon a killed build goes on: `uv run python -m benchmarks.restart [--items 200] [--restarts 5]`.

A build of the rehearsal model is killed (SIGKILL) when half of its items are accepted. Then the same command
is typed again and again, each time killed at its first new call. Prints the median time from the start of the
process to that call, what of it a process takes that only imports the same modules, and the rest. PostgreSQL
and the Prefect server run all the while.
"""

import argparse
import asyncio
import tempfile
from pathlib import Path

from sqlalchemy import text

from benchmarks.chaos.lives import Project, pull
from benchmarks.chaos.siege import ROOMY, folder, import_seconds, median
from services.database import Database
from services.local.postgres import embedded_postgres
from services.local.prefect_server import prefect_server
from services.settings import Settings

BRIEF = "# Layers\n\nA library of arithmetic functions over integers that build on each other.\n"
DONE = text("select count(distinct payload->>'item') from events where kind = 'left' and from_state = :state")


async def main(items: int, restarts: int, base: Path) -> None:
    """Build half, then kill and start again."""
    model = f"rehearsal:items={items},layers=5,latency=0.2"
    project = Project(
        folder(base, "half"),
        model,
        BRIEF,
        ("--mode", "full", *ROOMY),
        {"CHAOS_MODULES": "1", "REDIS_URL": ""},
    )
    project.home.mkdir()
    project.home.chmod(0o755)
    settings = Settings.model_validate({"PHOENIX_HOME": project.home, "PREFECT_API_URL": None})
    async with embedded_postgres(project.home) as url, prefect_server(settings):

        async def at_half(process: asyncio.subprocess.Process) -> None:
            async with await Database.open(url) as database:
                while True:
                    async with database.transaction() as conn:
                        done = (await conn.execute(DONE, {"state": "REFACTOR_CODE"})).scalar_one()
                    if done >= items / 2:
                        break
                    await asyncio.sleep(0.5)
            pull(process)

        async def at_its_first_call(process: asyncio.subprocess.Process) -> None:
            number = len(project.lives)
            while number not in project.tally().first_calls:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
            pull(process)

        await project.live(meanwhile=at_half)
        lives = [await project.live(meanwhile=at_its_first_call) for _ in range(restarts)]
    seen = project.tally()
    until = [seen.first_calls[life.number] - life.began for life in lives]
    imports = [import_seconds(seen.modules) for _ in lives]
    print(f"{items} items, half of them accepted; medians of {restarts} restarts, in seconds")
    print(f"start to the first new call {median(until):6.2f}   {[round(u, 2) for u in until]}")
    print(f"  start and imports         {median(imports):6.2f}   {[round(i, 2) for i in imports]}")
    print(f"  beyond them               {median(until) - median(imports):6.2f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=200)
    parser.add_argument("--restarts", type=int, default=5)
    told = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="restart-") as place:
        Path(place).chmod(0o755)
        asyncio.run(main(told.items, told.restarts, Path(place)))
