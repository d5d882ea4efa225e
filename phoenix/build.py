"""phoenix build: from a brief to a release, in this process."""

import asyncio
import json
import os
import sys
from collections.abc import Coroutine, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from phoenix.progress import Progress
from schemas.base import as_money
from schemas.brief import MAX_BYTES, Brief, decode_brief, parse_brief
from schemas.errors import InputError, PhoenixError, Unreachable
from schemas.policy import GateRule, Mode, Policy
from services.secrets import redact
from services.settings import Settings, read_settings

if TYPE_CHECKING:
    from flows.order import BuildOrder, Executor
    from services.database import Database


@dataclass(frozen=True)
class Wishes:
    """What the command line asked for."""

    order: "BuildOrder"
    record: Path | None
    as_json: bool


def build_command(
    brief: str,
    mode: Mode | None,
    model: str | None,
    approve: GateRule,
    budget: str | None,
    output: Path | None,
    record: Path | None,
    executor: "Executor",
    local: bool,
    as_json: bool,
) -> int:
    """Build, report, and give the exit code."""
    from flows.order import BuildOrder

    settings = start(read_settings())
    wanted = read_brief(brief)
    policy = Policy(
        mode=mode or "auto",
        models=settings.models(model),
        pins=settings.pins(model),
        strong_from=settings.strong_from,
        release_gate=approve,
        requirements_gate=approve,
        plan_gate=approve,
        budget_gate=approve,
        docs=settings.docs,
        budget_usd=_money(budget) if budget is not None else settings.budget_usd,
        project_budget_usd=settings.project_budget_usd,
        day_budget_usd=settings.day_budget_usd,
    ).tightened_by(wanted.asks)
    folder = str(output.resolve()) if output else None
    order = BuildOrder(brief=wanted, policy=policy, output=folder, executor=executor)
    return to_its_end(run_build(settings, Wishes(order, record, as_json)))


def to_its_end(work: Coroutine[Any, Any, int]) -> int:
    """The exit code of the work; SIGTERM, and what Prefect makes of it while a flow begins, interrupt it."""
    try:
        return asyncio.run(work)
    except BaseException as error:
        prefect = sys.modules.get("prefect.exceptions")
        if isinstance(error, asyncio.CancelledError) or (
            prefect and isinstance(error, prefect.ExternalSignal)
        ):
            raise KeyboardInterrupt from None
        raise


def start(settings: Settings) -> Settings:
    """The settings, with logging set up by them."""
    from services.telemetry import configure

    configure(settings)
    return settings


def read_brief(source: str) -> Brief:
    """The brief in a file, or on standard input for '-'.

    Raises:
        InputError: it cannot be read, or is not a brief.
    """
    name = "standard input" if source == "-" else source
    try:
        if source == "-":
            data = sys.stdin.buffer.read(MAX_BYTES + 1)
        else:
            with Path(source).open("rb") as file:
                data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise InputError(f"{name}: cannot be read ({error.strerror}). Give a Markdown file, or - .") from None
    return parse_brief(decode_brief(data, name), name)


def _money(text: str) -> Decimal:
    value = as_money(text)
    if value is None:
        raise InputError(f"--budget {text}: give US dollars from 0 up, such as --budget 2.50.")
    return value


async def run_build(settings: Settings, wishes: Wishes, progress: Progress | None = None) -> int:
    """Open the services, tell the story, report it."""
    from sqlalchemy.exc import OperationalError

    from services.repository import check_output

    order = wishes.order
    if order.output:
        await check_output(Path(order.output))
    _check_record(wishes.record)
    progress = progress or Progress()
    progress.heed_sigterm()
    try:
        return await _with_services(settings, wishes, progress)
    except OperationalError as error:
        raise Unreachable(
            f"the database stopped answering ({type(error.orig).__name__}). "
            "Nothing is lost: type the same command again to continue."
        ) from None


async def _with_services(settings: Settings, wishes: Wishes, progress: Progress) -> int:
    from phoenix.released import released
    from phoenix.result import result_of

    order = wishes.order
    async with AsyncExitStack() as stack:
        database = await open_services(stack, settings, order)
        unchanged = await released(database, settings.home, order)
        error = None if unchanged else await _tell(stack, settings, order, progress)
        run = unchanged.run if unchanged else progress.run
        path = unchanged.path if unchanged else progress.path
        if run and wishes.record:
            await _record(database, run, order, wishes.record)
        report = await reported(database, settings.home, run) if run else None
        result = await result_of(database, run, path=path, report=report) if run else None
        if unchanged and result:
            result["message"] = f"unchanged: release {result['release']['version']} was made from this brief"
            result["items"] = [{**i, "rebuilt": False, "reason": "unchanged"} for i in result["items"]]
        return _report(result, error, wishes)


async def open_services(stack: AsyncExitStack, settings: Settings, order: "BuildOrder") -> "Database":
    """The database, once the sandbox and every model that the order names have been found to work."""
    from services.database import Database
    from services.database_url import database_url
    from services.models import Models
    from services.sandbox import open_sandbox

    await open_sandbox()
    url = await stack.enter_async_context(database_url(settings))
    database = await stack.enter_async_context(await Database.open(url))
    async with Models(settings, database) as models:
        for name in order.policy.model_names():
            await models.check(name)
    return database


async def _tell(
    stack: AsyncExitStack, settings: Settings, order: "BuildOrder", progress: Progress
) -> PhoenixError | None:
    from services.local.prefect_server import client_environment, prefect_server

    imported: list[asyncio.Future[object]] = []

    def import_meanwhile(url: str) -> None:
        """Prefect reads its settings when it is imported, and takes as long for it as its server to start."""
        os.environ.update(client_environment(settings.home, url))
        imported.append(asyncio.ensure_future(asyncio.to_thread(import_module, "flows.build")))

    progress("note", {"text": "starting the Prefect server"})
    server = await stack.enter_async_context(prefect_server(settings, import_meanwhile))
    if not imported:
        import_meanwhile(server.url)
    await asyncio.gather(*imported)
    if len(imported) > 1:
        raise Unreachable("the Prefect server had to start twice. Type the same command again.")
    progress("note", {"text": f"Prefect UI while this runs: {server.ui_url}"})

    import httpx
    from prefect.exceptions import PrefectException

    from flows.build import build_flow
    from flows.context import LISTENER, SETTINGS
    from services.local.farewell import farewell
    from services.local.results import save_block

    await save_block()
    LISTENER.set(progress)
    SETTINGS.set(settings)
    try:
        progress.path = (await build_flow(order)).path
    except PhoenixError as error:
        return error
    except (httpx.HTTPError, PrefectException) as error:
        return Unreachable(
            f"the Prefect server at {server.url} stopped answering ({type(error).__name__}). "
            "Nothing is lost: type the same command again to continue."
        )
    finally:
        progress.close()
        await farewell(server.url)
    return None


async def _record(database: "Database", run: str, order: "BuildOrder", path: Path) -> None:
    from services.models import model_identity, write_recording

    answered_by = ", ".join(sorted({model_identity(name) for name in order.policy.model_names()}))
    count = await write_recording(database, run, path, answered_by)
    click.echo(f"phoenix: {count} answers written to {path}", err=True)


async def reported(database: "Database", home: Path, run: str) -> str | None:
    """The path of the run's report; that it cannot be written does not undo the run."""
    from phoenix.report.command import write_report

    try:
        return str(await write_report(database, home, run))
    except Exception as error:
        click.echo(redact(f"phoenix: no report was written ({type(error).__name__}: {error})"), err=True)
        return None


def _check_record(path: Path | None) -> None:
    if path and not (path.absolute().parent.is_dir() and os.access(path.absolute().parent, os.W_OK)):
        raise InputError(f"--record {path}: {path.absolute().parent} is not a folder that you can write.")


def _report(result: dict[str, Any] | None, error: PhoenixError | None, wishes: Wishes) -> int:
    if result is None:
        raise error or InputError("the run did not begin")
    if error:
        result["message"] = redact(str(error))
    if wishes.as_json:
        click.echo(json.dumps(result, ensure_ascii=False))
    elif error is None:
        click.echo(summary(result))
    if error:
        click.echo(redact(f"phoenix: {error}"), err=True)
    return error.exit_code if error else 0


def summary(result: Mapping[str, Any]) -> str:
    """What a person reads at the end."""
    release, models, verdicts = result["release"], result["models"], result["verdicts"]
    lines = [
        f"{result['project']} {release['version']} is released in {release['path']}",
        f"  commit {release['commit'][:12]}, tree {release['tree'][:12]}",
        f"  tests  {verdicts['passed']} of {verdicts['tests']} passed on the installed wheel (reported)",
        f"  models {models['calls']} calls, {models['replayed']} from the ledger, {models['cost_usd']} USD",
        *(f"  gate   {g['gate']}: {g['decision']} by {g['by']}" for g in result["gates"]),
        f"  run    {result['run']}: {result['message']}",
        *([f"  report {result['report']}"] if result["report"] else []),
    ]
    return "\n".join(lines)
