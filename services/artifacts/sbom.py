"""Checks a bill of materials against the strict schema of CycloneDX."""

import json

from schemas.verdict import Verdict
from services.artifacts.verdicts import verdict_of


def check_sbom(text: str, subject: str = "SBOM") -> Verdict:
    """Whether a text is a CycloneDX 1.6 document in JSON, with nothing that the schema does not know."""
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    try:
        found = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text, all_errors=True)
    except json.JSONDecodeError as error:
        return verdict_of(subject, [f"the file does not parse: {error}"], "")
    problems = [f"{e.data.json_path}: {e.data.message[:300]}" for e in found or ()]
    return verdict_of(subject, problems, "valid CycloneDX 1.6")
