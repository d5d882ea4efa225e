"""The names of models: which provider a name means, and what identifies its answers."""

from dataclasses import dataclass, fields
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Literal

from schemas.errors import ConfigurationError

Provider = Literal["openai", "ollama", "recorded", "rehearsal"]

_PROVIDERS: dict[str, Provider] = {
    "openai": "openai",
    "ollama": "ollama",
    "recorded": "recorded",
    "rehearsal": "rehearsal",
}
FORMS = (
    "openai:NAME (any OpenAI-compatible server by OPENAI_BASE_URL), ollama:NAME, recorded:PATH, "
    "or rehearsal:seed=7,functions=3,… (items=20 for the full path)"
)


@dataclass(frozen=True)
class ModelName:
    """A model's name, taken apart."""

    provider: Provider
    rest: str

    def identity(self) -> str:
        """What answers are recorded under; every recording is the same model."""
        if self.provider == "recorded":
            return "recorded"
        return f"{self.provider}:{self.rest}"


@dataclass(frozen=True)
class RehearsalOptions:
    """What a rehearsal plays; faults happen only at the rates that are asked for."""

    seed: int = 7
    latency: Decimal = Decimal(0)
    """Seconds that each answer takes."""
    bad_code: Decimal = Decimal(0)
    """The share of implementations and refactorings that return a wrong value."""
    rare_code: Decimal = Decimal(0)
    """The share of implementations of the larger project that are wrong for few inputs, which no example
    shows; its suites have properties then."""
    schema_violation: Decimal = Decimal(0)
    """The share of answers that break the form that was asked for."""
    size: int = 3
    """The size from 1 to 10 that triage reports."""
    functions: int = 3
    """How many functions the synthetic project of the Lite path has."""
    items: int = 0
    """How many work items the larger project has; 0 reports a small one, and makes 5 when asked for it."""
    layers: int = 4
    """How deep the larger project's dependencies go."""
    bad_test: Decimal = Decimal(0)
    """The share of suites in which one expectation is wrong."""
    vacuous_test: Decimal = Decimal(0)
    """The share of suites in which one test passes on the stub."""
    bad_plan: Decimal = Decimal(0)
    """The share of plans with a cycle or a criterion that no item serves."""
    unsound: Decimal = Decimal(0)
    """The share of architectures that send the specification back."""


def parse_model_name(name: str) -> ModelName:
    """The name's provider and the rest; a rehearsal's options are brought into one form.

    Raises:
        ConfigurationError: the provider, the rest or an option is not allowed.
    """
    word, colon, rest = name.strip().partition(":")
    provider = _PROVIDERS.get(word)
    if not colon or provider is None:
        raise ConfigurationError(f"unknown model {name!r}; allowed: {FORMS}.")
    if provider == "rehearsal":
        return ModelName("rehearsal", _option_text(parse_rehearsal(rest)))
    if not rest.strip():
        raise ConfigurationError(f"the model {name!r} names nothing after the colon; allowed: {FORMS}.")
    return ModelName(provider, rest.strip())


def model_identity(name: str) -> str:
    """What stands for a model in stage keys and request digests.

    Raises:
        ConfigurationError: the name is not allowed.
    """
    return "recorded" if name == "recorded" else parse_model_name(name).identity()


def recording_name(path: Path) -> str:
    """The name of the model that plays a recording."""
    return f"recorded:{path}"


def recording_path(name: ModelName) -> Path:
    """The file of a recorded model."""
    return Path(name.rest).expanduser().absolute()


def parse_rehearsal(text: str) -> RehearsalOptions:
    """The options of a rehearsal, each with a default.

    Raises:
        ConfigurationError: an option is unknown, occurs twice or has a value that is not allowed.
    """
    known = {field.name: field.type for field in fields(RehearsalOptions)}
    given: dict[str, int | Decimal] = {}
    for part in filter(None, (p.strip() for p in text.split(","))):
        key, _, value = (piece.strip() for piece in part.partition("="))
        if key not in known or key in given:
            problem = "occurs twice" if key in given else "is unknown"
            raise ConfigurationError(f"rehearsal option {key!r} {problem}; allowed: {', '.join(known)}.")
        given[key] = _number(key, value, known[key] is int)
    return RehearsalOptions(**given)  # type: ignore[arg-type]


_LIMITS = {
    "seed": (0, 2**63),
    "latency": (0, 600),
    "bad_code": (0, 1),
    "rare_code": (0, 1),
    "schema_violation": (0, 1),
    "size": (1, 10),
    "functions": (1, 200),
    "items": (0, 200),
    "layers": (1, 12),
    "bad_test": (0, 1),
    "vacuous_test": (0, 1),
    "bad_plan": (0, 1),
    "unsound": (0, 1),
}


def _number(key: str, text: str, whole: bool) -> int | Decimal:
    low, high = _LIMITS[key]
    try:
        number = int(text) if whole else Decimal(text)
        if low <= number <= high:
            return number
    except (ValueError, InvalidOperation):
        pass
    kind = "a whole number" if whole else "a number"
    raise ConfigurationError(f"rehearsal option {key}={text!r} must be {kind} from {low} to {high}.")


def _option_text(options: RehearsalOptions) -> str:
    pairs = ((f.name, getattr(options, f.name)) for f in fields(options))
    return ",".join(f"{key}={_plain(value)}" for key, value in pairs)


def _plain(value: int | Decimal) -> str:
    return str(value) if isinstance(value, int) else f"{value.normalize():f}"
