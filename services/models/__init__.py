"""Language models behind one seam, with a ledger, budgets and limits around every call."""

from services.models.gateway import CallScope, Models
from services.models.names import model_identity, parse_model_name
from services.models.schema import lift_json, schema_for, strict_problems

__all__ = [
    "CallScope",
    "Models",
    "lift_json",
    "model_identity",
    "parse_model_name",
    "schema_for",
    "strict_problems",
]
