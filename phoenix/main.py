"""The phoenix command. Each command loads what it needs when it is run, so that --help is quick."""

import sys
from pathlib import Path
from typing import Any

import click

from schemas.errors import PhoenixError

_JSON = click.option("--json", "as_json", is_flag=True, help="Print exactly one JSON object on stdout.")


class Group(click.Group):
    """Commands whose errors are one clear line and one exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; what Phoenix raises on purpose becomes a line on stderr."""
        try:
            return super().invoke(ctx)
        except PhoenixError as error:
            from services.secrets import redact

            click.echo(redact(f"phoenix: {error}"), err=True)
            ctx.exit(error.exit_code)
        except KeyboardInterrupt:
            click.echo(
                "phoenix: stopped; nothing is lost. Type the same command again to continue.", err=True
            )
            ctx.exit(130)


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="phoenix")
def main() -> None:
    """Phoenix turns a written brief into tested, documented, deployable software."""


@main.command()
@click.argument("brief", metavar="BRIEF")
@click.option(
    "--mode", type=click.Choice(["auto", "full", "lite"]), help="The path; triage chooses by default."
)
@click.option("--model", help="One model for every tier and agent, such as openai:NAME or ollama:NAME.")
@click.option("--approve", type=click.Choice(["ask", "auto"]), default="ask", show_default=True,
              help="Who decides at the release gate.")  # fmt: skip
@click.option("--budget", type=str, metavar="USD", help="The cap of this run in US dollars.")
@click.option("--output", type=click.Path(path_type=Path), metavar="DIR",
              help="The folder of the git repository (default: PHOENIX_HOME/releases/NAME).")  # fmt: skip
@click.option("--record", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="Write every answer that the run used to FILE.")  # fmt: skip
@click.option("--executor", type=click.Choice(["local", "pool"]), default="local", show_default=True,
              help="Who develops the work items: this process, or the workers of the work pool.")  # fmt: skip
@click.option("--local", is_flag=True, help="Run in this process (the default while no platform is running).")
@_JSON
def build(**options: Any) -> None:
    """Build BRIEF (a Markdown file, or - for standard input) into a release."""
    from phoenix.build import build_command

    sys.exit(build_command(**options))


@main.command()
@click.option("--output", type=click.Path(path_type=Path), default=Path("phoenix-demo"), show_default=True,
              metavar="DIR", help="The folder that gets the repository.")  # fmt: skip
@click.option("--example", metavar="NAME", help="Which example to build.")
@click.option("--keep", is_flag=True, help="Keep the run's PHOENIX_HOME and print its place.")
@_JSON
def demo(**options: Any) -> None:
    """Build an example from its recorded answers: no key and no running service needed."""
    from phoenix.demo import demo_command

    sys.exit(demo_command(**options))


@main.command()
@click.argument("name", metavar="[PROJECT|RUN]", required=False)
@_JSON
def status(name: str | None, as_json: bool) -> None:
    """Show where projects and runs stand, and what they cost."""
    from phoenix.status import status_command

    status_command(name, as_json)


@main.command()
@click.argument("run", metavar="RUN|PROJECT")
@click.option("--open", "open_it", is_flag=True, help="Show it in a browser.")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="Where to write it (default: PHOENIX_HOME/reports/RUN.html).")  # fmt: skip
@_JSON
def report(**options: Any) -> None:
    """Write one HTML page about RUN (or a project's newest run) and print its path."""
    from phoenix.report.command import report_command

    report_command(**options)


@main.command()
@click.argument("project")
@_JSON
def history(project: str, as_json: bool) -> None:
    """List PROJECT's runs and releases: what changed, what was rebuilt, what it cost, who approved."""
    from phoenix.history import history_command

    history_command(project, as_json)


@main.command()
@click.argument("identity", metavar="[ID]", required=False)
@_JSON
def approvals(identity: str | None, as_json: bool) -> None:
    """List what waits for a decision and for how long; with ID, print what was shown for it."""
    from phoenix.approvals import approvals_command

    approvals_command(identity, as_json)


_ID = click.argument("identity", metavar="ID")
_COMMENT = click.option("--comment", default="", metavar="TEXT", help="What should change, or why.")


@main.command()
@_ID
@_COMMENT
@_JSON
def approve(identity: str, comment: str, as_json: bool) -> None:
    """Approve what ID asks about; 'phoenix approvals' lists the IDs."""
    from phoenix.approvals import decide_command

    decide_command(identity, "approve", comment, as_json)


@main.command()
@_ID
@_COMMENT
@_JSON
def revise(identity: str, comment: str, as_json: bool) -> None:
    """Send what ID asks about back to the agents, with a comment."""
    from phoenix.approvals import decide_command

    decide_command(identity, "revise", comment, as_json)


@main.command()
@_ID
@_COMMENT
@_JSON
def reject(identity: str, comment: str, as_json: bool) -> None:
    """Reject what ID asks about, and end its run."""
    from phoenix.approvals import decide_command

    decide_command(identity, "reject", comment, as_json)


@main.command()
@click.argument("name", required=False)
def schema(name: str | None) -> None:
    """Print the JSON Schema of NAME; without NAME, list the names."""
    from phoenix.schema import schema_command

    schema_command(name)


@main.command()
@_JSON
def doctor(as_json: bool) -> None:
    """Check every part that Phoenix needs, with a remedy for each that is missing."""
    from phoenix.doctor import doctor_command

    sys.exit(doctor_command(as_json))


@main.command()
@click.option("--limit", type=click.IntRange(1, 1000), metavar="N", help="Flow runs at once on this machine.")
@click.option("--detach", is_flag=True, help="Return as soon as it runs; 'phoenix down' ends it.")
def up(**options: Any) -> None:
    """Keep the database, the Prefect server with its UI and a worker running until Ctrl-C."""
    from phoenix.up import up_command

    up_command(**options)


@main.command()
def down() -> None:
    """End what 'phoenix up' keeps running."""
    from phoenix.up import down_command

    down_command()


@main.command()
@click.option("--older-than", metavar="DAYS", help="Prune what ended, or was last used, so long ago.")
@click.option("--dry-run", is_flag=True, help="Only say what would go, and how many bytes.")
@_JSON
def prune(**options: Any) -> None:
    """Remove finished runs from Prefect's history, their reports, and tools that nothing uses."""
    from phoenix.prune import prune_command

    prune_command(**options)


@main.group()
def db() -> None:
    """Migrate the database."""


@db.command("upgrade")
def db_upgrade() -> None:
    """Bring the database to this version's newest revision."""
    from phoenix.db import db_command

    db_command("upgrade")


@db.command("downgrade")
@click.argument("revision")
def db_downgrade(revision: str) -> None:
    """Take the database back to REVISION ('base' empties it)."""
    from phoenix.db import db_command

    db_command("downgrade", revision)


@db.command("current")
def db_current() -> None:
    """Print the database's revision and the newest one."""
    from phoenix.db import db_command

    db_command("current")


@main.group()
def memory() -> None:
    """Look at what is remembered of earlier work, and look after it."""


@memory.command("rebuild")
@_JSON
def memory_rebuild(as_json: bool) -> None:
    """Rebuild the memory and its index from the database."""
    from phoenix.memory import rebuild_command

    rebuild_command(as_json)


@memory.command("status")
@_JSON
def memory_status(as_json: bool) -> None:
    """Show what is remembered and whether its index is sound."""
    from phoenix.memory import status_command

    status_command(as_json)


@memory.command("search")
@click.argument("text")
@click.option("--kind", type=click.Choice(["pattern", "code", "failure"]), help="Only entries of this kind.")
@click.option("--project", metavar="PROJECT", help="Only entries of this project.")
@click.option("--limit", type=click.IntRange(1, 100), default=5, show_default=True, help="At most so many.")
@_JSON
def memory_search(**options: Any) -> None:
    """Show what would be hinted at for TEXT, best first."""
    from phoenix.memory import search_command

    search_command(**options)


@memory.command("expire")
@click.argument("digest")
def memory_expire(digest: str) -> None:
    """Never hint at an entry again; DIGEST may be its beginning."""
    from phoenix.memory import expire_command

    expire_command(digest)


if __name__ == "__main__":
    main()
