"""Rate limits and holds that processes share through a real Redis, and what they do without it."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager

import pytest
import redis
from pydantic import SecretStr
from structlog.testing import capture_logs
from structlog.typing import EventDict

from services.database import Database
from services.models.limits import Slots
from services.models.names import parse_model_name
from services.models.prices import worst_usage
from services.models.rates import Share, limit_of, shares_of
from services.redis import PATIENCE_S, Redis
from tests.model_server import ModelServer, answer, status
from tests.redis_server import PASSWORD, RedisServer
from tests.services.test_models_gateway import USUAL, bench, reached, request, settings

pytestmark = pytest.mark.services
HOST = "models.example"
MOMENT = 1


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with RedisServer() as running:
        yield running


@asynccontextmanager
async def slots(url: str | None, *, pause_s: float = 10, window_s: int = 60) -> AsyncIterator[Slots]:
    """What a process has: its own slots, and perhaps its own connection to Redis."""
    if url is None:
        yield Slots(8, window_s=window_s)
        return
    redis = Redis(SecretStr(url), pause_s)
    yield Slots(8, redis, window_s)
    await redis.close()


def per_minute(limit: int, cost: int = 1) -> tuple[Share, ...]:
    return (Share(f"{HOST}/m/requests", limit, cost),)


async def goes(
    own: Slots, shares: Sequence[Share] = (), *, host: str = HOST, within: float = 5, times: int = 1
) -> bool:
    """Whether so many calls may go, each within some seconds."""
    try:
        for _ in range(times):
            async with asyncio.timeout(within), own.slot(host, shares):
                pass
    except TimeoutError:
        return False
    return True


async def waits(own: Slots, shares: Sequence[Share] = (), *, host: str = HOST) -> bool:
    """Whether a call may not go yet."""
    return not await goes(own, shares, host=host, within=0.2)


async def seconds(own: Slots, shares: Sequence[Share] = (), *, host: str = HOST) -> float:
    """How long a call waits until it may go."""
    began = time.monotonic()
    async with own.slot(host, shares):
        return time.monotonic() - began


async def test_without_redis_a_process_keeps_the_limit_for_itself() -> None:
    async with slots(None) as own:
        assert await goes(own, per_minute(3), times=3)
        assert await waits(own, per_minute(3))
        assert await goes(own, (Share("another/requests", 3, 1),)), "other models are not held up"


async def test_two_that_share_redis_share_the_limit(server: RedisServer) -> None:
    async with slots(server.url) as one, slots(server.url) as other:
        assert await goes(one, per_minute(5), times=2)
        assert await goes(other, per_minute(5), times=3)
        assert await waits(other, per_minute(5))
        assert await waits(one, per_minute(5))


async def test_no_window_holds_more_than_the_limit_and_all_go_in_the_end(server: RedisServer) -> None:
    went: list[float] = []

    async def go(own: Slots) -> None:
        async with own.slot(HOST, per_minute(4)):
            went.append(time.monotonic())

    async with slots(server.url, window_s=1) as one, slots(server.url, window_s=1) as other:
        await asyncio.gather(*(go(own) for own in (one, other) for _ in range(5)))
    spans = [later - earlier for earlier, later in zip(went, went[4:], strict=False)]
    assert min(spans) > 0.98, "the fifth goes when the first is a window ago"


async def test_a_clock_that_was_set_back_holds_nothing_back_for_longer_than_a_moment(
    server: RedisServer,
) -> None:
    limit, an_hour = per_minute(3), 3600.0
    async with slots(server.url) as own:
        assert await goes(own, limit, times=3)
        assert await waits(own, limit)
    with redis.Redis.from_url(server.url) as client:
        [window] = list(client.scan_iter(_type="list"))
        for place, counted in enumerate(client.lrange(window, 0, -1)):
            client.lset(window, place, str(float(counted) + an_hour))
    async with slots(server.url) as later:
        assert await goes(later, limit, times=3)
        assert await waits(later, limit), "from then on the limit is kept again"


WORKER = """
import asyncio, sys
from pydantic import SecretStr
from services.models.limits import Slots
from services.models.rates import Share
from services.redis import Redis

async def main() -> None:
    own = Slots(8, Redis(SecretStr(sys.argv[1])))
    print("ready", flush=True)
    sys.stdin.readline()
    async def go() -> None:
        async with own.slot("models.example", [Share("models.example/m/requests", 7, 1)]):
            print("went", flush=True)
    await asyncio.gather(*(go() for _ in range(10)))

asyncio.run(main())
"""


async def test_real_processes_share_the_limit(server: RedisServer) -> None:
    pipe = asyncio.subprocess.PIPE
    command = (sys.executable, "-c", WORKER, server.url)
    workers = [await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe) for _ in range(2)]
    said: asyncio.Queue[bytes] = asyncio.Queue()

    async def listen(worker: asyncio.subprocess.Process) -> None:
        assert worker.stdout
        async for line in worker.stdout:
            said.put_nowait(line)

    listening = [asyncio.create_task(listen(worker)) for worker in workers]
    async with asyncio.timeout(30):
        assert [await said.get() for _ in workers] == [b"ready\n"] * 2
        for worker in workers:
            assert worker.stdin
            worker.stdin.write(b"\n")
        assert [await said.get() for _ in range(7)] == [b"went\n"] * 7
    await asyncio.sleep(0.5)
    assert said.empty()
    for worker in workers:
        worker.kill()
        await worker.wait()
    await asyncio.gather(*listening)


def warnings(logs: list[EventDict]) -> list[EventDict]:
    return [line for line in logs if line["log_level"] == "warning"]


@pytest.mark.parametrize("fault", ["killed", "hanging", "wrong password", "never there"])
async def test_redis_that_goes_away_costs_a_moment_once_and_the_process_keeps_the_limit(
    server: RedisServer, fault: str
) -> None:
    url = {
        "wrong password": server.url.replace(PASSWORD, "not-the-password"),
        "never there": "redis://:not-the-password@127.0.0.1:9/0",
    }.get(fault, server.url)
    with capture_logs() as logs:
        async with slots(url) as own:
            if url == server.url:
                assert await goes(own, per_minute(3))
                server.kill() if fault == "killed" else server.freeze()
            else:
                took = await asyncio.gather(seconds(own, per_minute(3)), own.hold("elsewhere.example", 9))
                assert took[0] < MOMENT
            assert await seconds(own, per_minute(3)) < MOMENT
            assert await seconds(own, per_minute(3)) < PATIENCE_S, "no call waits for Redis again"
            assert await waits(own, per_minute(3)), "what it took before counts"
    assert [line["event"].split(";")[0] for line in warnings(logs)] == ["Redis does not answer"]
    assert PASSWORD not in str(logs)
    assert "not-the-password" not in str(logs)


@pytest.mark.parametrize("fault", ["killed", "hanging"])
async def test_redis_that_comes_back_is_shared_again(server: RedisServer, fault: str) -> None:
    with capture_logs() as logs:
        async with slots(server.url, pause_s=0.3) as one, slots(server.url) as other:
            server.kill() if fault == "killed" else server.freeze()
            assert await goes(one, per_minute(2))
            server.start() if fault == "killed" else server.thaw()
            await asyncio.sleep(0.3)
            assert await goes(one, per_minute(2))
            assert await waits(one, per_minute(2)), "what it took alone counts as well"
            assert await goes(other, per_minute(2)), "which Redis was never told"
            assert await waits(other, per_minute(2)), "but it was told of the rest"
    assert [line["log_level"] for line in logs] == ["warning", "info"]


async def test_a_probe_of_a_hanging_redis_delays_one_call_and_none_beside_it(server: RedisServer) -> None:
    async with slots(server.url, pause_s=0.2) as own:
        server.freeze()
        await seconds(own)
        await asyncio.sleep(0.2)
        others = (seconds(own, host=f"{n}.example") for n in range(3))
        probing, *beside = await asyncio.gather(seconds(own), *others)
        assert max(beside) < PATIENCE_S <= probing < MOMENT


async def test_a_hold_stops_every_process_for_its_server_alone(server: RedisServer) -> None:
    async with slots(server.url) as one, slots(server.url) as other:
        began = time.monotonic()
        await one.hold(HOST, 1)
        await one.hold(HOST, 0.1)
        assert await waits(other), "a shorter hold does not end a longer one"
        assert await goes(other, host="elsewhere.example")
        assert await goes(other)
        assert time.monotonic() - began >= 1


async def test_a_waiting_call_leaves_its_place_to_other_models() -> None:
    own = Slots(1)
    assert await goes(own, per_minute(1))
    waiting = asyncio.create_task(seconds(own, per_minute(1)))
    await asyncio.sleep(0.05)
    assert await goes(own, host="elsewhere.example")
    assert not waiting.done()
    waiting.cancel()


LIMITS = {
    "gpt-5": {"requests_per_minute": 60, "tokens_per_minute": 90_000},
    "ollama:*": {"tokens_per_minute": 50},
}


@pytest.mark.parametrize(
    ("name", "requests", "tokens"),
    [
        ("openai:gpt-5", 60, 90_000),
        ("openai:gpt-5-mini", None, None),
        ("ollama:gpt-5", 60, 90_000),
        ("ollama:qwen3:8b", None, 50),
        ("recorded:gpt-5", None, None),
    ],
)
def test_the_first_pattern_that_fits_a_name_limits_the_model(
    name: str, requests: int | None, tokens: int | None
) -> None:
    found = limit_of(parse_model_name(name), settings(PHOENIX_RATE_LIMITS=LIMITS))
    assert (requests, tokens) == (
        (found.requests_per_minute, found.tokens_per_minute) if found else (None, None)
    )


def test_a_call_takes_its_tokens_at_worst_and_at_most_a_whole_minute() -> None:
    def taken(limit: int, output: int) -> Share:
        config = settings(PHOENIX_RATE_LIMITS={"played": {"tokens_per_minute": limit}})
        [share] = shares_of(
            parse_model_name("openai:played"), HOST, request(max_output_tokens=output), config
        )
        return share

    usage = worst_usage(request(max_output_tokens=1000))
    worst = usage.input_tokens + usage.output_tokens
    assert taken(10_000, 1000).cost == worst
    assert taken(100, 1000) == Share(f"{HOST}/played/tokens", 100, 100)
    coarse = taken(45_000, 1000)
    assert (coarse.limit, coarse.cost) == (9_000, -(-worst // 5)), "counted in grains, rounded up"


async def test_two_models_share_requests_a_minute_through_the_gateway(
    embedded: Database, server: RedisServer
) -> None:
    limited = {"REDIS_URL": server.url, "PHOENIX_RATE_LIMITS": {"played": {"requests_per_minute": 3}}}
    with ModelServer() as models:
        config = settings(models, PHOENIX_MODEL_TIMEOUT=30, **limited)
        async with bench(embedded, config) as one, bench(embedded, config, slug="more") as other:
            asked = [asyncio.create_task(b.ask(request(f"{n}"))) for n, b in enumerate([one, other] * 3)]
            await reached(models, 3)
            await asyncio.sleep(0.5)
            assert models.calls == 3
            for call in asked:
                call.cancel()
            await asyncio.gather(*asked, return_exceptions=True)
            assert (await one.budget()).spent + (await other.budget()).spent == 3 * USUAL
            assert (await one.ask(request("0"))).text == "fine", "an answer that is known takes nothing"


@pytest.mark.parametrize("headers", [{"retry_after": "1"}, {}])
async def test_a_refusal_holds_back_the_other_process_as_well(
    embedded: Database, server: RedisServer, headers: dict[str, str]
) -> None:
    with ModelServer(status(429, **headers), answer()) as models:
        config = settings(models, REDIS_URL=server.url, PHOENIX_MODEL_TIMEOUT=30)
        async with (
            bench(embedded, config, first_pause=2) as one,
            bench(embedded, config, slug="more") as other,
        ):
            refused = asyncio.create_task(one.ask(request("1")))
            await reached(models, 1)
            await asyncio.sleep(0.3)
            beside = asyncio.create_task(other.ask(request("2")))
            await asyncio.sleep(0.4)
            assert models.calls == 1
            await asyncio.gather(refused, beside)
        assert models.calls == 3
