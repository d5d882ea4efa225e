"""Vectors: the offline ones, and those of a server that speaks OpenAI's language."""

import hashlib
import subprocess
import sys
from pathlib import Path

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import ConfigurationError, Unreachable
from services.database import Database
from services.memory import Memory, open_embedder
from services.memory.embedding import lexical_vector, words_of
from services.memory.vectors import similarities
from tests import model_server as play
from tests.model_server import ModelServer
from tests.services.memories import TEXTS, entries, entry, remember, settings

MODEL = {"PHOENIX_EMBEDDING_MODEL": "openai:text-embedding-3-small", "OPENAI_API_KEY": "sk-not-to-be-told"}


def test_vectors_are_the_same_in_every_process() -> None:
    code = (
        "import hashlib; from services.memory.embedding import lexical_vector;"
        "print(hashlib.sha256(lexical_vector('parseCSV of naïve_users, 3 times')).hexdigest())"
    )
    expected = hashlib.sha256(lexical_vector("parseCSV of naïve_users, 3 times")).hexdigest()
    other = {"PYTHONHASHSEED": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=other, capture_output=True, check=True, text=True)
    assert done.stdout.strip() == expected


def test_the_vector_of_this_version_never_changes() -> None:
    digest = hashlib.sha256(lexical_vector("parse the CSV file")).hexdigest()
    assert digest == "c25e2eace0cdf21bc0c2cc76ea30c3a9876a204ec03320b872a8f50a95fa34d1"


@given(st.text())
@hypothesis.settings(deadline=None)
def test_every_text_has_a_vector_of_length_one_that_is_like_itself(text: str) -> None:
    vector = lexical_vector(text)
    assert len(vector) == 4 * 1024
    assert similarities(vector, [vector]) == [1000]


def test_names_are_taken_apart_and_stemmed() -> None:
    assert words_of("parseCSVFile word_counts") == ["pars", "csv", "fil", "word", "count"]
    assert words_of("files file names name entries entry") == ["fil"] * 2 + ["nam"] * 2 + ["entry"] * 2
    assert words_of("Counting counted counts count") == ["count"] * 4
    assert words_of("stopped stopping stop") == ["stop"] * 3
    assert words_of("Größen: 日本") == ["grössen", "日本"]


def test_shared_words_are_nearer_than_none() -> None:
    near, far = similarities(
        lexical_vector("count the words of a file"),
        [lexical_vector("def word_count(file: Path) -> int"), lexical_vector("def rotate_image(angle)")],
    )
    assert near > 200 > far


@pytest.mark.services
async def test_a_server_makes_the_vectors_when_they_are_searched(embedded: Database, tmp_path: Path) -> None:
    with ModelServer(play.embeddings()) as server:
        async with Memory(settings(tmp_path, OPENAI_BASE_URL=server.url, **MODEL), embedded) as memory:
            await remember(embedded, memory, *entries())
            assert server.calls == 0
            assert (await memory.status()).waiting == len(TEXTS)
            [hint] = await memory.recall(None, TEXTS[2], limit=1)
            assert (await memory.status()).waiting == 0
            assert memory.index.lost is None
    assert (hint.text, hint.embedder, hint.score) == (TEXTS[2], "openai:text-embedding-3-small", 1000)
    assert sorted(server.requests[0]["input"]) == sorted(TEXTS)
    assert server.requests[1] == {
        "input": [TEXTS[2]],
        "model": "text-embedding-3-small",
        "encoding_format": "float",
    }


@pytest.mark.services
async def test_vectors_of_two_embedders_never_mix(embedded: Database, tmp_path: Path) -> None:
    offline = settings(tmp_path)
    with ModelServer(play.embeddings(1024)) as server:
        served = settings(tmp_path, OPENAI_BASE_URL=server.url, **MODEL)
        async with Memory(offline, embedded) as first, Memory(served, embedded) as second:
            await remember(embedded, first, *entries(*TEXTS[:3]))
            await remember(embedded, second, *entries(*TEXTS[3:]))
            assert {h.text for h in await first.recall(None, " ".join(TEXTS), limit=9)} <= set(TEXTS[:3])
            assert {h.text for h in await second.recall(None, " ".join(TEXTS), limit=9)} == set(TEXTS[3:])
            assert (first.index.lost, second.index.lost) == (None, None)
            assert ((await first.status()).waiting, (await second.status()).waiting) == (2, 3)
        async with Memory(served, embedded) as memory:
            rebuilt = await memory.rebuild()
            assert (rebuilt.entries, rebuilt.embedded) == (5, 3)
            assert len(await memory.recall(None, "text", limit=9)) == 5
        async with Memory(offline, embedded) as memory:
            assert await memory.recall(None, TEXTS[0]) == ()


@pytest.mark.services
@pytest.mark.parametrize(
    "fault",
    [play.status(401), play.status(500), play.raw("no json"), play.raw('{"data": []}'), play.reset, play.cut],
)
async def test_a_server_that_fails_gives_no_hints_and_stops_nothing(
    embedded: Database, tmp_path: Path, fault: play.Play
) -> None:
    with ModelServer(fault) as server:
        async with Memory(settings(tmp_path, OPENAI_BASE_URL=server.url, **MODEL), embedded) as memory:
            await remember(embedded, memory, entry("A text."))
            assert await memory.recall(None, "A text.") == ()
            with pytest.raises((ConfigurationError, Unreachable)) as caught:
                await memory.rebuild()
    assert "sk-not-to-be-told" not in str(caught.value)
    assert "\n" not in str(caught.value)


async def test_a_long_text_is_cut_to_what_a_model_takes(tmp_path: Path) -> None:
    with ModelServer(play.embeddings()) as server:
        embedder = open_embedder(settings(tmp_path, OPENAI_BASE_URL=server.url, **MODEL))
        assert len(await embedder.embed(["é" * 100_000] * 70)) == 70
    assert [len(r["input"]) for r in server.requests] == [64, 6]
    assert server.requests[0]["input"][0] == "é" * 4000


async def test_without_a_key_the_message_says_what_to_set(tmp_path: Path) -> None:
    embedder = open_embedder(settings(tmp_path, **{**MODEL, "OPENAI_API_KEY": None}))
    with pytest.raises(ConfigurationError, match="OPENAI_API_KEY"):
        await embedder.embed(["x"])
