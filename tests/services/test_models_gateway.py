"""The gateway against a local server with faults, and against the real ledger."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest

from schemas.budget import Budget, BudgetState
from schemas.calls import Message, Reply, Request, Usage
from schemas.errors import BudgetExceeded, ConfigurationError, PhoenixError, Unreachable, UnusableAnswer
from schemas.policy import Tier
from services.database import Database
from services.database.budgets import budget_states
from services.database.usage import run_usage
from services.models import CallScope, Models
from services.models.names import parse_model_name
from services.models.prices import price_of, worst_usage
from services.settings import Price, Settings
from tests import model_server as play
from tests.model_server import ModelServer, Play
from tests.services.database_builders import new_run

pytestmark = pytest.mark.services
KEY = "sk-secret-0123456789"
PRICES = {"played": Price(input=Decimal(10), output=Decimal(40))}
SCHEMA = {
    "type": "object",
    "properties": {"colour": {"type": "string"}},
    "required": ["colour"],
    "additionalProperties": False,
}


def settings(server: ModelServer | None = None, **more: Any) -> Settings:
    asked: dict[str, Any] = {"OPENAI_API_KEY": KEY, "PHOENIX_PRICES": PRICES, "PHOENIX_MODEL_TIMEOUT": 1.0}
    if server:
        asked["OPENAI_BASE_URL"] = server.url
    return Settings(_env_file=None, **{**asked, **more})


def request(question: str = "why?", schema: dict[str, Any] | None = None, **more: Any) -> Request:
    asked: dict[str, Any] = {
        "agent": "triage",
        "subject": "run",
        "tier": Tier.FAST,
        "model": "openai:played",
        "messages": (Message(role="system", content="Rules"), Message(role="user", content=question)),
        "response_schema": schema,
        "max_output_tokens": 100,
        "sample": 0,
        "inputs": "0" * 64,
        "values": {},
    }
    return Request(**{**asked, **more})


class Bench:
    """Models over a database and a server, on the account of one run."""

    def __init__(self, database: Database, models: Models, scope: CallScope) -> None:
        self.database, self.models, self.scope = database, models, scope

    async def ask(self, asked: Request) -> Reply:
        return await self.models.complete(self.scope, asked)

    async def budget(self) -> BudgetState:
        async with self.database.transaction() as conn:
            [state] = await budget_states(conn, self.scope.budgets)
        assert state.reserved == 0
        return state


@asynccontextmanager
async def bench(
    database: Database,
    config: Settings,
    cap: Decimal | None = None,
    slug: str = "sums",
    first_pause: float = 0.001,
) -> AsyncIterator[Bench]:
    run = await new_run(database, slug)
    budget = Budget(scope="run", key=run.id, cap=cap)
    models = Models(config, database, first_pause=first_pause)
    try:
        yield Bench(database, models, CallScope(run.id, "e1", run.project, (budget,)))
    finally:
        await models.close()


def worst(asked: Request) -> Decimal:
    return price_of(parse_model_name(asked.model), worst_usage(asked), settings())


USUAL = Decimal("0.0006")  # 20 tokens in, 10 out


async def test_a_request_is_paid_once_and_counted_once(embedded: Database) -> None:
    with ModelServer() as server:
        async with bench(embedded, settings(server)) as b:
            first = await b.ask(request())
            assert first == Reply(text="fine", finish="stop", usage=Usage(input_tokens=20, output_tokens=10))
            assert [await b.ask(request()) for _ in range(2)] == [first, first]
            assert server.calls == 1
            assert (await b.budget()).spent == USUAL
            async with embedded.transaction() as conn:
                usage = await run_usage(conn, b.scope.run)
            assert (usage.calls, usage.replayed, usage.cost_usd) == (1, 0, USUAL)
        body = server.requests[0]
        assert body["max_tokens"] == body["max_completion_tokens"] == 100
        assert [m["role"] for m in body["messages"]] == ["system", "user"]
        assert server.headers[0]["authorization"] == f"Bearer {KEY}"


async def test_equal_requests_at_once_make_one_call(embedded: Database) -> None:
    with ModelServer() as server:
        async with bench(embedded, settings(server)) as b:
            replies = await asyncio.gather(*(b.ask(request()) for _ in range(8)))
        assert len({r.text for r in replies}) == server.calls == 1


async def test_a_bound_keeps_calls_in_flight_few_and_all_are_answered(embedded: Database) -> None:
    with ModelServer() as server:
        async with bench(embedded, settings(server, PHOENIX_CONCURRENT_CALLS=3)) as b:
            await asyncio.gather(*(b.ask(request(str(n))) for n in range(20)))
            assert server.calls == 20
            assert (await b.budget()).spent == 20 * USUAL


ANSWERED: dict[str, tuple[Play, str, str]] = {
    "malformed": (play.answer('{"colour": '), '{"colour": ', "stop"),
    "fenced": (play.answer('```json\n{"colour": "red"}\n```'), '```json\n{"colour": "red"}\n```', "stop"),
    "prose": (play.answer("It is red."), "It is red.", "stop"),
    "wrong type": (play.answer('{"colour": 7}'), '{"colour": 7}', "stop"),
    "missing field": (play.answer("{}"), "{}", "stop"),
    "length": (play.answer("It is", "length"), "It is", "length"),
    "filter": (play.answer("", "content_filter"), "", "refused"),
    "refusal": (play.answer(None, message={"refusal": "I will not"}), "I will not", "refused"),
    "empty": (play.answer(""), "", "stop"),
    "null": (play.answer(None), "", "stop"),
    "half a character": (play.answer("\ud800x\x00"), "?x\x00", "stop"),
    "a call": (play.call('{"colour": "red"}'), '{"colour": "red"}', "stop"),
    "a broken call": (play.call('{"colour": '), '{"colour": ', "stop"),
}


@pytest.mark.parametrize("fault", ANSWERED)
async def test_whatever_was_answered_is_a_reply_and_is_paid(embedded: Database, fault: str) -> None:
    script, text, finish = ANSWERED[fault]
    with ModelServer(script) as server:
        async with bench(embedded, settings(server)) as b:
            reply = await b.ask(request(schema=SCHEMA))
            assert (reply.text, reply.finish) == (text, finish)
            assert reply.usage == Usage(input_tokens=20, output_tokens=10)
            assert await b.ask(request(schema=SCHEMA)) == reply
            assert (await b.budget()).spent == USUAL
        assert server.calls == 1


TRANSIENT: dict[str, tuple[Play, bool]] = {
    "no choices": (play.answer(choices=[]), True),
    "null choices": (play.answer(choices=None), True),
    "error body": (play.raw('{"error": {"message": "overloaded"}}'), True),
    "html": (play.raw("<html>hello</html>", "text/html"), True),
    "broken envelope": (play.raw('{"choices": [{"mess'), True),
    "408": (play.status(408), True),
    "409": (play.status(409), False),
    "429": (play.status(429), False),
    "429 with a time": (play.status(429, retry_after="0.01"), False),
    "500": (play.status(500), False),
    "503 in ms": (play.status(503, retry_after_ms="10"), False),
    "cut body": (play.cut, True),
    "reset": (play.reset, True),
}


@pytest.mark.parametrize("fault", TRANSIENT)
async def test_a_passing_fault_is_tried_again_and_charged_if_perhaps_paid(
    embedded: Database, fault: str
) -> None:
    script, perhaps_paid = TRANSIENT[fault]
    with ModelServer(script, script, play.answer()) as server:
        async with bench(embedded, settings(server)) as b:
            assert (await b.ask(request())).text == "fine"
            wasted = 2 * worst(request()) if perhaps_paid else 0
            assert (await b.budget()).spent == USUAL + wasted
        assert server.calls == 3


@pytest.mark.parametrize("fault", ["500", "429", "cut body", "html"])
async def test_a_lasting_fault_ends_after_five_tries_naming_the_host(embedded: Database, fault: str) -> None:
    with ModelServer(TRANSIENT[fault][0]) as server:
        async with bench(embedded, settings(server)) as b:
            with pytest.raises(Unreachable, match=f"{server.host}.*5 tries"):
                await b.ask(request())
            await b.budget()
        assert server.calls == 5


async def test_a_trickle_is_cut_by_the_wall_clock(embedded: Database) -> None:
    with ModelServer(play.trickle, play.answer()) as server:
        async with bench(embedded, settings(server, PHOENIX_MODEL_TIMEOUT=0.4)) as b:
            assert (await b.ask(request())).text == "fine"
            assert (await b.budget()).spent == USUAL + worst(request())
        assert server.calls == 2


async def test_a_server_that_is_not_there_costs_nothing(embedded: Database) -> None:
    async with bench(embedded, settings(OPENAI_BASE_URL="http://127.0.0.1:9/v1")) as b:
        with pytest.raises(Unreachable, match=r"127\.0\.0\.1:9 .*connection failed"):
            await b.ask(request())
        assert (await b.budget()).spent == 0
        with pytest.raises(Unreachable, match=r"127\.0\.0\.1:9"):
            await b.models.check("openai:played")


FINAL: dict[str, tuple[Play, type[PhoenixError], str]] = {
    "401": (play.status(401, f"Incorrect API key: {KEY}"), ConfigurationError, "key was refused"),
    "403": (play.status(403, f"no access with {KEY}"), ConfigurationError, "key was refused"),
    "404": (play.status(404, "no such model"), ConfigurationError, "does not know openai:played"),
    "400": (play.status(400, f"bad temperature {KEY}"), ConfigurationError, r"bad temperature \*\*\*"),
    "quota": (
        play.status(429, {"message": "no money", "code": "insufficient_quota"}),
        Unreachable,
        "quota is used up",
    ),
    "context": (
        play.status(400, {"message": "too long", "code": "context_length_exceeded"}),
        UnusableAnswer,
        "does not fit",
    ),
    "later": (play.status(429, retry_after="86400"), Unreachable, "asks to wait 86400 s"),
}


@pytest.mark.parametrize("fault", FINAL)
async def test_a_final_fault_is_one_clear_error_after_one_call(embedded: Database, fault: str) -> None:
    script, kind, text = FINAL[fault]
    with ModelServer(script) as server:
        async with bench(embedded, settings(server, PHOENIX_MODEL_TIMEOUT=10)) as b:
            with pytest.raises(kind, match=text) as caught:
                await b.ask(request())
            assert KEY not in str(caught.value) and caught.value.__cause__ is None
            assert (await b.budget()).spent == 0
        assert server.calls == 1


@pytest.mark.parametrize(
    ("words", "calls", "form"),
    [
        ((), 1, "json_schema"),
        (('"strict": true',), 2, "json_schema"),
        (("json_schema",), 3, "tools"),
        (("json_schema", "tools"), 4, "json_object"),
        (("max_tokens",), 2, "json_schema"),
        (("max_completion_tokens",), 3, "json_schema"),
    ],
)
async def test_the_form_is_stepped_down_once_per_server(
    embedded: Database, words: tuple[str, ...], calls: int, form: str
) -> None:
    with ModelServer(play.refusing(words)) as server:
        async with bench(embedded, settings(server)) as b:
            assert json.loads((await b.ask(request(schema=SCHEMA))).text) == {"colour": "red"}
            assert server.calls == calls
            await b.ask(request("again", schema=SCHEMA))
            assert server.calls == calls + 1
            assert (await b.budget()).spent == 2 * USUAL
        last = server.requests[-1]
        assert form in ("tools" if "tools" in last else last["response_format"]["type"])
        assert {"max_tokens", "max_completion_tokens"} & last.keys()


async def test_a_server_that_knows_no_form_ends_in_one_error(embedded: Database) -> None:
    with ModelServer(play.refusing(["response_format", "tools"])) as server:
        async with bench(embedded, settings(server)) as b:
            with pytest.raises(ConfigurationError, match="unknown parameter"):
                await b.ask(request(schema=SCHEMA))
        assert server.calls == 4


@pytest.mark.parametrize(
    ("script", "usage"),
    [
        (play.without_usage(), None),
        (
            play.answer(usage={"prompt_tokens": 10**15, "completion_tokens": 5, "total_tokens": 1}),
            Usage(input_tokens=2**31 - 1, output_tokens=5),
        ),
        (play.answer(usage={"prompt_tokens": -5, "completion_tokens": 5, "total_tokens": 1}), None),
    ],
)
async def test_missing_and_lying_usage_is_settled_at_the_reservation(
    embedded: Database, script: Play, usage: Usage | None
) -> None:
    with ModelServer(script) as server:
        async with bench(embedded, settings(server)) as b:
            assert (await b.ask(request())).usage == usage
            assert (await b.budget()).spent == worst(request())


async def test_a_budget_that_cannot_hold_the_worst_price_sends_nothing(embedded: Database) -> None:
    with ModelServer() as server:
        async with bench(embedded, settings(server), cap=worst(request()) - Decimal("0.00000001")) as b:
            with pytest.raises(BudgetExceeded):
                await b.ask(request())
            assert (await b.budget()).spent == 0
        assert server.calls == 0


async def test_after_a_refusal_a_run_makes_no_new_call_and_another_run_does(embedded: Database) -> None:
    with ModelServer() as server:
        async with bench(embedded, settings(server), cap=worst(request("small")) + USUAL) as b:
            await b.ask(request("paid"))
            with pytest.raises(BudgetExceeded):
                await b.ask(request("x" * 5000))
            with pytest.raises(BudgetExceeded, match="needs up to"):
                await b.ask(request("small"))
            assert (await b.ask(request("paid"))).text == "fine", "what was paid for is still told"
            other = b.scope.__class__((await new_run(embedded, "other")).id, "e", "other", b.scope.budgets)
            assert (await b.models.complete(other, request("small"))).text == "fine"
        assert server.calls == 2


async def reached(server: ModelServer, calls: int) -> None:
    """Wait until the server has seen so many calls; fails after half a minute."""
    async with asyncio.timeout(30):
        while server.calls < calls:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_cancelled_call_is_charged_and_its_claim_given_back(embedded: Database) -> None:
    with ModelServer(play.trickle, play.answer()) as server:
        async with bench(embedded, settings(server, PHOENIX_MODEL_TIMEOUT=30)) as b:
            asked = asyncio.create_task(b.ask(request()))
            await reached(server, 1)
            asked.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asked
            assert server.calls == 1
            assert (await b.budget()).spent == worst(request())
            assert (await b.ask(request())).text == "fine"


async def test_a_throttled_call_holds_the_others_back(embedded: Database) -> None:
    with ModelServer(play.status(429, retry_after="3"), play.answer()) as server:
        async with bench(embedded, settings(server, PHOENIX_MODEL_TIMEOUT=30)) as b:
            first = asyncio.create_task(b.ask(request("1")))
            await reached(server, 1)
            await asyncio.sleep(0.5)
            others = [asyncio.create_task(b.ask(request(str(n)))) for n in (2, 3)]
            await asyncio.sleep(0.5)
            assert server.calls == 1
            await asyncio.gather(first, *others)
        assert server.calls == 4
