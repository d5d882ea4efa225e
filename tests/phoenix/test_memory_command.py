"""The memory's commands on real services."""

import json
from pathlib import Path

import pytest

from tests.phoenix.command import phoenix

pytestmark = pytest.mark.services
MODEL = ("--model", "rehearsal:seed=7")


def test_a_build_is_derived_searched_and_expired(served: dict[str, str], brief: str) -> None:
    empty = phoenix("memory", "status", env=served)
    assert "0 pattern, 0 code, 0 failure; 0 expired; index empty" in empty.out
    assert phoenix("memory", "search", "integers", env=served).out == "Nothing like that is remembered.\n"
    forgetful = {**served, "PHOENIX_MEMORY": "off"}
    assert phoenix("build", brief, *MODEL, "--approve", "auto", env=forgetful).code == 0
    rebuilt = json.loads(phoenix("memory", "rebuild", "--json", env=served).out)
    assert rebuilt == {"entries": 2, "derived": 2, "embedded": 0}
    search = ("memory", "search", "tiny sums: functions that take one integer")
    [best, _] = json.loads(phoenix(*search, "--json", env=served).out)["hints"]
    assert best["source"]["project"] == "tiny-sums"
    assert best["entry"][:12] in phoenix(*search, env=served).out
    assert best["entry"] in phoenix("memory", "expire", best["entry"][:8], env=served).out
    assert len(json.loads(phoenix(*search, "--json", env=served).out)["hints"]) == 1
    assert json.loads(phoenix("memory", "status", "--json", env=served).out)["expired"] == 1
    assert "lexical-hash-v1" in phoenix("doctor", env=served).out


def test_mistakes_are_one_clear_line(served: dict[str, str]) -> None:
    unknown = phoenix("memory", "expire", "abc", env=served)
    assert (unknown.code, "no entry of the memory begins with 'abc'" in unknown.line) == (2, True)
    assert phoenix("memory", "search", " ", env=served).code == 2
    off = phoenix("memory", "search", "x", env={**served, "PHOENIX_MEMORY": "off"})
    assert (off.code, "Set PHOENIX_MEMORY=on" in off.line) == (2, True)
    assert phoenix("memory", "status", env={**served, "PHOENIX_MEMORY": "off"}).out.startswith("off")
    wrong = phoenix("memory", "status", env={**served, "PHOENIX_EMBEDDING_MODEL": "word2vec"})
    assert (wrong.code, "PHOENIX_EMBEDDING_MODEL" in wrong.line) == (2, True)
    key = {"OPENAI_BASE_URL": "http://127.0.0.1:9/v1", "PHOENIX_EMBEDDING_MODEL": "openai:x"}
    assert phoenix("memory", "search", "x", env={**served, **key}).code == 0
    broken = {**served, "PHOENIX_HOME": str(Path(__file__))}
    assert phoenix("memory", "rebuild", env=broken).code == 0
