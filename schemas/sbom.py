"""The software bill of materials: CycloneDX 1.6 in JSON, the same bytes for the same release."""

import json
from collections.abc import Iterable
from datetime import date
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from schemas.base import SourceFile, text_digest
from schemas.project import tree_digest
from schemas.stages import Assembly


def render_sbom(
    assembly: Assembly,
    name: str,
    version: str,
    brief_date: date | None,
    dependencies: Iterable[tuple[str, str]] = (),
) -> str:
    """The bill of a package: its files with their digests, its dependencies, and the brief's date, if any."""
    needed = [_library(n, v) for n, v in sorted(set(dependencies))]
    main = {**_library(name, version), "type": "application" if _has_command(assembly) else "library"}
    files = sorted((f for f in assembly.code), key=lambda f: f.path)
    main["components"] = [_file(f) for f in files]
    edges = [{"ref": main["bom-ref"], "dependsOn": [c["bom-ref"] for c in needed]}]
    bill = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{_serial(main['bom-ref'], files, needed)}",
        "version": 1,
        "metadata": {
            **({"timestamp": f"{brief_date.isoformat()}T00:00:00Z"} if brief_date else {}),
            "component": main,
        },
        "components": needed,
        "dependencies": [*edges, *({"ref": c["bom-ref"], "dependsOn": []} for c in needed)],
    }
    return json.dumps(bill, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _serial(ref: str, files: list[SourceFile], needed: list[dict[str, Any]]) -> str:
    names = [c["bom-ref"] for c in needed]
    return str(uuid5(NAMESPACE_URL, "\n".join(["phoenix:sbom", ref, *names, tree_digest(files)])))


def _library(name: str, version: str) -> dict[str, Any]:
    purl = f"pkg:pypi/{name.lower().replace('_', '-')}@{version}"
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}


def _file(file: SourceFile) -> dict[str, Any]:
    digest = {"alg": "SHA-256", "content": text_digest(file.text)}
    return {"type": "file", "bom-ref": f"file:{file.path}", "name": file.path, "hashes": [digest]}


def _has_command(assembly: Assembly) -> bool:
    return any(contract.command for contract in assembly.contracts)
