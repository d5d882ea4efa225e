"""Model names, prices and what may import or say what."""

import ast
import re
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from schemas.calls import Usage
from schemas.errors import ConfigurationError, Unpriced
from services.models import model_identity, parse_model_name
from services.models.prices import price_of
from services.settings import Price, Settings

MILLION = Usage(input_tokens=1_000_000, output_tokens=1_000_000)
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("name", "identity"),
    [
        ("openai:gpt-5", "openai:gpt-5"),
        ("ollama:qwen3:8b", "ollama:qwen3:8b"),
        ("recorded:/a/b.json", "recorded"),
        ("recorded:other.json", "recorded"),
        ("recorded", "recorded"),
    ],
)
def test_a_name_has_an_identity(name: str, identity: str) -> None:
    assert model_identity(name) == identity


def test_a_rehearsal_has_one_identity_however_it_is_written() -> None:
    assert model_identity("rehearsal:") == model_identity("rehearsal:functions=3, seed=7,latency=0.0")
    assert model_identity("rehearsal:bad_code=0.20") == model_identity("rehearsal:bad_code=0.2")
    assert model_identity("rehearsal:seed=8") != model_identity("rehearsal:")


@pytest.mark.parametrize(
    "name",
    (
        "",
        "gpt-5",
        "azure:gpt-5",
        "openai:",
        "openai: ",
        "rehearsal:colour=red",
        "rehearsal:seed=x",
        "rehearsal:bad_code=2",
        "rehearsal:seed=1,seed=2",
        "rehearsal:size=11",
        "rehearsal:latency=nan",
    ),
)
def test_a_wrong_name_is_refused_with_what_is_allowed(name: str) -> None:
    with pytest.raises(ConfigurationError, match=r"allowed|must be"):
        model_identity(name)


def settings(**more: object) -> Settings:
    return Settings(_env_file=None, **more)  # type: ignore[arg-type]


def test_prices_come_from_settings_then_the_list_and_are_never_guessed() -> None:
    own = settings(PHOENIX_PRICES={"gpt-5": Price(input=Decimal(2), output=Decimal(3))})
    assert price_of(parse_model_name("openai:gpt-5"), MILLION, own) == Decimal(5)
    assert price_of(parse_model_name("openai:gpt-4o-mini"), MILLION, own) > 0
    assert price_of(parse_model_name("ollama:anything"), MILLION, own) == 0
    assert price_of(parse_model_name("rehearsal:"), MILLION, own) == Decimal(5)
    with pytest.raises(Unpriced, match=r"PHOENIX_PRICES.*PHOENIX_FREE_MODELS"):
        price_of(parse_model_name("openai:house-model"), MILLION, own)
    free = settings(PHOENIX_FREE_MODELS="openai:house-*")
    assert price_of(parse_model_name("openai:house-model"), MILLION, free) == 0


def test_prices_are_rounded_up() -> None:
    odd = settings(PHOENIX_PRICES={"x": Price(input=Decimal("0.0001"), output=Decimal(0))})
    one = Usage(input_tokens=1, output_tokens=0)
    assert price_of(parse_model_name("openai:x"), one, odd) == Decimal("0.00000001")


def test_importing_the_gateway_loads_nothing_heavy() -> None:
    code = (
        "import sys, services.models as m; "
        "heavy = {'langchain_core', 'langchain_openai', 'openai', 'genai_prices'} & set(sys.modules); "
        "sys.exit(str(heavy) if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_only_services_models_knows_the_models_that_are_played() -> None:
    folders = ("schemas", "services", "agents", "tasks", "flows", "phoenix")
    sources = [p for f in folders for p in (ROOT / f).rglob("*.py") if "models" not in p.parts]
    assert len(sources) > 20
    knowing = [f"{p.relative_to(ROOT)}: {text}" for p in sources for text in played_names(p)]
    assert knowing == []


def played_names(path: Path) -> list[str]:
    texts = [
        node.value
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    return [text for text in texts if re.search(r"^recorded$|\brecorded:|rehears", text)]
