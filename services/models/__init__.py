"""Language models behind one seam, with a ledger, budgets and limits around every call."""

from services.models.gateway import Models
from services.models.ledger import CallScope
from services.models.names import model_identity, parse_model_name, recording_name
from services.models.prices import price_range
from services.models.recording import audit_key, read_recording, write_recording
from services.models.schema import lift_json, schema_for, strict_problems

__all__ = [
    "CallScope",
    "Models",
    "audit_key",
    "lift_json",
    "model_identity",
    "parse_model_name",
    "price_range",
    "read_recording",
    "recording_name",
    "schema_for",
    "strict_problems",
    "write_recording",
]
