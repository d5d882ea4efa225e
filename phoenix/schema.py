"""phoenix schema: the JSON Schema of what everything is."""

import json

import click
from pydantic import BaseModel

from schemas.answers import PlanAnswer, SecurityAnswer, TriageAnswer
from schemas.brief import Brief
from schemas.contract import Contract
from schemas.errors import InputError
from schemas.events import Event
from schemas.policy import Policy
from schemas.srs import SRS
from schemas.verdict import Candidate, Finding, Manifest, Suite, Verdict

SCHEMAS: dict[str, type[BaseModel]] = {
    "brief": Brief,
    "policy": Policy,
    "srs": SRS,
    "contract": Contract,
    "suite": Suite,
    "candidate": Candidate,
    "verdict": Verdict,
    "finding": Finding,
    "manifest": Manifest,
    "event": Event,
    "triage": TriageAnswer,
    "plan": PlanAnswer,
    "security": SecurityAnswer,
}


def schema_command(name: str | None) -> None:
    """Print one schema, or the names.

    Raises:
        InputError: there is no schema of that name.
    """
    if name is None:
        click.echo("\n".join(SCHEMAS))
    elif name in SCHEMAS:
        click.echo(json.dumps(SCHEMAS[name].model_json_schema(), indent=2, ensure_ascii=False))
    else:
        raise InputError(f"no schema {name!r}. Choose one of: {', '.join(SCHEMAS)}.")
