"""Settings from the environment and .env, each with a default that needs no service."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal, get_args

import platformdirs
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict, SettingsError

from schemas.base import Money
from schemas.errors import ConfigurationError
from schemas.policy import AgentName, Tier


class Price(BaseModel):
    """A model's price in US dollars per million tokens."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: Decimal = Field(ge=0)
    output: Decimal = Field(ge=0)


class RateLimit(BaseModel):
    """How often a model may be asked, and for how many tokens; what is not said is not limited."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    requests_per_minute: int | None = Field(None, ge=1, le=1_000_000)
    tokens_per_minute: int | None = Field(None, ge=1)

    def text(self) -> str:
        """The limit in words."""
        kinds = {"requests": self.requests_per_minute, "tokens": self.tokens_per_minute}
        return " and ".join(f"{n:,} {kind}" for kind, n in kinds.items() if n) + " a minute"

    @model_validator(mode="after")
    def _limits_something(self) -> "RateLimit":
        if self.requests_per_minute is None and self.tokens_per_minute is None:
            raise ValueError("give requests_per_minute, tokens_per_minute or both")
        return self


class Settings(BaseSettings):
    """Everything that the environment decides. Names are upper case; ours begin with PHOENIX_."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", frozen=True, env_ignore_empty=True)

    database_url: SecretStr | None = Field(None, alias="DATABASE_URL")
    redis_url: SecretStr | None = Field(None, alias="REDIS_URL")
    """Where processes share rate limits and holds; without it each process keeps them for itself."""
    chroma_url: str | None = Field(None, pattern=r"^https?://[^\s/@]+/?$", alias="CHROMA_URL")
    """A Chroma server for the memory's index; without it the index is a folder of the home."""
    openai_api_key: SecretStr | None = Field(None, alias="OPENAI_API_KEY")
    openai_base_url: str | None = Field(None, alias="OPENAI_BASE_URL")
    prefect_api_url: str | None = Field(None, alias="PREFECT_API_URL")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", alias="LOG_LEVEL")
    log_format: Literal["console", "json"] = Field("console", alias="PHOENIX_LOG_FORMAT")
    environment: str = Field("local", alias="ENVIRONMENT")
    home: Path = Field(Path(platformdirs.user_data_dir("phoenix")), alias="PHOENIX_HOME")
    cache: Path = Field(Path(platformdirs.user_cache_dir("phoenix")), alias="PHOENIX_CACHE")
    """Where tools that are named by their digest are kept; safe to delete."""
    model: str | None = Field(None, alias="PHOENIX_MODEL")
    model_fast: str | None = Field(None, alias="PHOENIX_MODEL_FAST")
    model_standard: str | None = Field(None, alias="PHOENIX_MODEL_STANDARD")
    model_strong: str | None = Field(None, alias="PHOENIX_MODEL_STRONG")
    agent_models: Annotated[dict[AgentName, str], NoDecode] = Field(
        default_factory=dict, alias="PHOENIX_AGENT_MODELS"
    )
    """JSON: agent to the model name that it is asked whatever its tier."""
    strong_from: int = Field(8, ge=1, le=11, alias="PHOENIX_STRONG_FROM")
    """The least complexity of a work item whose agents start at the strong tier; 11 means none."""
    model_timeout_s: float = Field(600, gt=0, alias="PHOENIX_MODEL_TIMEOUT")
    """Wall clock of one model call in seconds."""
    concurrent_calls: int = Field(16, ge=1, alias="PHOENIX_CONCURRENT_CALLS")
    prices: dict[str, Price] = Field(default_factory=dict, alias="PHOENIX_PRICES")
    """JSON: model name without its provider to {"input": …, "output": …} in USD per million tokens."""
    free_models: Annotated[tuple[str, ...], NoDecode] = Field(("ollama:*",), alias="PHOENIX_FREE_MODELS")
    """Comma-separated patterns of model names that cost nothing."""
    rate_limits: dict[str, RateLimit] = Field(default_factory=dict, alias="PHOENIX_RATE_LIMITS")
    """JSON: pattern of model names, with or without provider, to {"requests_per_minute": …,
    "tokens_per_minute": …}; the first that fits counts, for each model and server by itself."""
    memory: Literal["on", "off"] = Field("on", alias="PHOENIX_MEMORY")
    """Whether earlier work is remembered and hinted at."""
    embedding_model: str = Field(
        "lexical-hash-v1", pattern=r"^(lexical-hash-v1|openai:\S{1,200})$", alias="PHOENIX_EMBEDDING_MODEL"
    )
    """What makes the memory's vectors: lexical-hash-v1 (offline; words, not meaning) or openai:NAME."""
    docs: Literal["mkdocs", "sphinx"] = Field("mkdocs", alias="PHOENIX_DOCS")
    """What builds the API documentation of a release of the full path."""
    budget_usd: Money | None = Field(None, alias="PHOENIX_BUDGET_USD")
    """US dollars that one run may spend."""
    project_budget_usd: Money | None = Field(None, alias="PHOENIX_PROJECT_BUDGET_USD")
    """US dollars that all runs of a project together may spend."""
    day_budget_usd: Money | None = Field(None, alias="PHOENIX_DAY_BUDGET_USD")
    """US dollars that may be spent on a calendar day (UTC), all projects together."""

    @field_validator("free_models", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(v.strip() for v in value.split(",") if v.strip()) if isinstance(value, str) else value

    @field_validator("agent_models", mode="before")
    @classmethod
    def _known_agents(cls, value: object) -> object:
        agents = get_args(AgentName)
        form = f'give JSON such as {{"reviewer": "openai:NAME"}} with agents among: {", ".join(agents)}'
        try:
            pins = json.loads(value) if isinstance(value, str) else value
        except (ValueError, RecursionError):
            raise ValueError(f"not JSON; {form}") from None
        if not isinstance(pins, dict) or not all(isinstance(name, str) for name in pins.values()):
            raise ValueError(f"not one model name for each agent; {form}")
        unknown = sorted(set(pins) - set(agents))
        if unknown:
            raise ValueError(f"there is no agent {unknown[0]!r}; {form}")
        return pins

    @field_validator("home", "cache")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    def models(self, override: str | None = None) -> dict[Tier, str]:
        """The model name of each tier.

        Raises:
            ConfigurationError: a tier has no model.
        """
        named = {
            Tier.FAST: override or self.model_fast or self.model,
            Tier.STANDARD: override or self.model_standard or self.model,
            Tier.STRONG: override or self.model_strong or self.model,
        }
        chosen = {tier: name for tier, name in named.items() if name}
        if len(chosen) < len(named):
            raise ConfigurationError(
                "no model is set: give --model openai:NAME (or ollama:NAME), or set PHOENIX_MODEL. "
                "Without a key, 'phoenix demo' builds an example from its recording."
            )
        return chosen

    def pins(self, override: str | None = None) -> dict[AgentName, str]:
        """The model names of agents that are asked one model; none when one model is to answer all."""
        return {} if override else self.agent_models


def read_settings() -> Settings:
    """The settings of this process.

    Raises:
        ConfigurationError: a value is invalid; the message names its variable and never the value.
    """
    try:
        return Settings()
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, e['loc']))}: {e['msg'].removeprefix('Value error, ')}"
            for e in error.errors(include_input=False)
        )
        raise ConfigurationError(
            f"invalid setting: {problems}. Correct it in the environment or .env."
        ) from None
    except SettingsError as error:
        names = [str(f.alias) for name, f in Settings.model_fields.items() if f'"{name}"' in str(error)]
        raise ConfigurationError(
            f"invalid setting: {', '.join(names)} is not JSON. Correct it in the environment or .env."
        ) from None
    except UnicodeDecodeError:
        raise ConfigurationError("the file .env is not UTF-8 text. Save it as UTF-8, or remove it.") from None
