"""Recordings and rehearsals under the real ledger, and what is checked before a build."""

from pathlib import Path
from typing import Any

import pytest

from schemas.errors import ConfigurationError, InputError, Unpriced, Unreachable
from services.database import Database
from services.database.usage import run_usage
from services.models import Models, read_recording, write_recording
from tests import model_server as play
from tests.model_server import ModelServer
from tests.services.test_models_gateway import KEY, bench, request, settings

pytestmark = pytest.mark.services


def rehearsed(question: str = "a", **more: Any) -> Any:
    return request(question, model="rehearsal:", inputs=question[0] * 64, **more)


async def recorded_run(database: Database, path: Path) -> list[str]:
    """Record one run of a rehearsal; its answers in order."""
    async with bench(database, settings()) as b:
        asked = [rehearsed("a"), rehearsed("b"), rehearsed("c", subject="other")]
        answers = [(await b.ask(r)).text for r in asked]
        await b.ask(asked[0])
        assert await write_recording(database, b.scope.run, path, "a rehearsal") == 3
        async with database.transaction() as conn:
            assert (await run_usage(conn, b.scope.run)).cost_usd > 0
    return answers


async def test_a_recorded_run_is_answered_again_for_nothing(embedded: Database, tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    answers = await recorded_run(embedded, path)
    recording = read_recording(path)
    assert (recording.answered_by, recording.project) == ("a rehearsal", "sums")
    assert [(e.subject, e.attempt) for e in recording.entries] == [("other", 1), ("run", 1), ("run", 2)]
    async with bench(embedded, settings(), slug="again") as b:
        model = f"recorded:{path}"
        asked = [r.model_copy(update={"model": model}) for r in (rehearsed("a"), rehearsed("b"))]
        await b.models.check(model)
        assert [(await b.ask(r)).text for r in asked] == answers[:2]
        assert (await b.budget()).spent == 0
        assert b.models.drift[b.scope.run] == 0
        path.unlink()
        assert (await b.ask(asked[0].model_copy(update={"model": "recorded"}))).text == answers[0]


async def test_another_brief_is_refused_first_and_counted_later(embedded: Database, tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    answers = await recorded_run(embedded, path)
    other = {"model": f"recorded:{path}"}
    async with bench(embedded, settings(), slug="again") as b:
        with pytest.raises(InputError, match=r"made for another brief: triage was given other inputs"):
            await b.ask(rehearsed("d").model_copy(update=other))
        assert (await b.ask(rehearsed("e").model_copy(update=other))).text == answers[1]
        assert b.models.drift == {b.scope.run: 1}
        with pytest.raises(InputError, match=r"no answer of triage for run at attempt 3"):
            await b.ask(rehearsed("f").model_copy(update=other))
        with pytest.raises(InputError, match=r"has no first answer"):
            await b.ask(rehearsed("a", agent="planner").model_copy(update=other))


async def test_a_rehearsal_is_paid_like_any_model(embedded: Database) -> None:
    async with bench(embedded, settings()) as b:
        first = await b.ask(rehearsed())
        assert await b.ask(rehearsed()) == first
        assert (await b.budget()).spent > 0
        with pytest.raises(ConfigurationError, match="no part for agent 'stranger'"):
            await b.ask(rehearsed(agent="stranger"))


async def check(database: Database, name: str, **more: Any) -> None:
    models = Models(settings(**more), database)
    try:
        await models.check(name)
    finally:
        await models.close()


async def test_a_model_is_checked_without_a_call(embedded: Database) -> None:
    with ModelServer() as server:
        await check(embedded, "openai:played", OPENAI_BASE_URL=server.url)
        assert (server.listed, server.calls) == (1, 0)
        server.models = play.status(404)
        await check(embedded, "openai:played", OPENAI_BASE_URL=server.url, OPENAI_API_KEY=None)
        with pytest.raises(Unpriced):
            await check(embedded, "openai:house", OPENAI_BASE_URL=server.url)
        assert server.calls == 0
    await check(embedded, "rehearsal:functions=5")


@pytest.mark.parametrize("code", [401, 403])
async def test_a_refused_key_is_named_by_its_variable_alone(embedded: Database, code: int) -> None:
    with ModelServer() as server:
        server.models = play.status(code, f"bad key {KEY}")
        with pytest.raises(ConfigurationError, match=r"key was refused.*OPENAI_API_KEY") as caught:
            await check(embedded, "openai:played", OPENAI_BASE_URL=server.url)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("fault", [play.status(500), play.raw("<html>", "text/html"), play.reset])
async def test_a_server_without_a_right_answer_is_unreachable(embedded: Database, fault: play.Play) -> None:
    with ModelServer() as server:
        server.models = fault
        with pytest.raises(Unreachable, match=server.host):
            await check(embedded, "openai:played", OPENAI_BASE_URL=server.url)


async def test_what_cannot_work_is_said_before_a_build(embedded: Database, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"allowed: openai:NAME"):
        await check(embedded, "gpt-5")
    with pytest.raises(ConfigurationError, match=r"needs a key: set OPENAI_API_KEY"):
        await check(embedded, "openai:played", OPENAI_API_KEY=None)
    with pytest.raises(InputError, match=r"cannot be read"):
        await check(embedded, f"recorded:{tmp_path / 'none.json'}")


async def test_a_missing_ollama_model_says_what_to_type(embedded: Database) -> None:
    with ModelServer() as server:
        models = Models(settings(), embedded, ollama_url=server.url)
        await models.check("ollama:played")
        with pytest.raises(ConfigurationError, match="ollama pull qwen3"):
            await models.check("ollama:qwen3")
