"""What is remembered of accepted items and of repaired failures."""

from pydantic import ValidationError

from schemas.contract import Contract
from schemas.failure import Evidence
from schemas.full import Specified
from schemas.lite import Plan
from schemas.memory import HintKind, MemoryEntry, Source
from schemas.prose import interface_text
from schemas.srs import SRS
from schemas.verdict import Candidate
from schemas.wbs import WorkItem
from services.database.memories import AcceptedItem

MOST = 6000
"""Characters of a failure's details and of its repair that are kept."""


def requirements_text(srs: SRS) -> str:
    """What a pattern is found by: the requirements in words, without their ids."""
    return "\n".join([srs.title, *(r.text for r in srs.requirements)])


def contract_text(contract: Contract) -> str:
    """What code is found by: the names of a contract and what they are for."""
    named = (
        *contract.functions,
        *contract.classes,
        *contract.dataclasses,
        *contract.enums,
        *contract.exceptions,
    )
    methods = [m for c in contract.classes for m in c.methods]
    lines = [f"{entry.name}: {entry.doc}" for entry in (*named, *methods)]
    return "\n".join([f"{contract.module}: {contract.doc}", *lines])


def failure_text(evidence: Evidence) -> str:
    """What a failure is found by."""
    return f"{evidence.state.value} {evidence.cause.value}: {evidence.summary}\n{evidence.details[:MOST]}"


def item_entries(
    source: Source, contract: Contract, srs: SRS | None, candidate: Candidate
) -> tuple[MemoryEntry, ...]:
    """The pattern and the code of an accepted item."""
    code = "\n\n".join(f"# {file.path}\n{file.text}" for file in candidate.files)
    found = []
    if srs is not None:
        found.append((HintKind.PATTERN, requirements_text(srs), interface_text(contract)))
    if code:
        found.append((HintKind.CODE, contract_text(contract), code))
    return tuple(MemoryEntry(kind=kind, text=text, body=body, source=source) for kind, text, body in found)


def failure_entry(source: Source, evidence: Evidence, repair: str) -> MemoryEntry:
    """A failure with the repair that worked, such as the difference between two candidates."""
    body = f"{evidence.summary}\n\nThe repair that worked:\n{repair[:MOST]}"
    return MemoryEntry(kind=HintKind.FAILURE, text=failure_text(evidence), body=body, source=source)


def stored_entries(item: AcceptedItem, bodies: dict[str, bytes]) -> tuple[MemoryEntry, ...]:
    """The entries of an item as the database has it; none of one that this version cannot read."""
    source = Source(project=item.project, run=item.run, item=item.key)
    try:
        contract, srs = _told(bodies[item.body], bodies[item.plan] if item.plan else None)
        return item_entries(source, contract, srs, Candidate.model_validate_json(bodies[item.candidate]))
    except ValidationError:
        return ()


def _told(body: bytes, plan: bytes | None) -> tuple[Contract, SRS | None]:
    """What is known of an item: the full path stores the item, the Lite path its contract."""
    try:
        item = WorkItem.model_validate_json(body)
    except ValidationError:
        contract = Contract.model_validate_json(body)
        planned = Plan.model_validate_json(plan) if plan else None
        return contract, planned.srs if planned and planned.contract == contract else None
    return item.contract, _served(Specified.model_validate_json(plan).specification, item) if plan else None


def _served(srs: SRS, item: WorkItem) -> SRS | None:
    """The requirements that an item serves, under its title."""
    served = [r for r in srs.requirements if any(c.id in item.criteria for c in r.criteria)]
    if not served:
        return None
    plain = SRS.model_construct(**{name: getattr(srs, name) for name in SRS.model_fields})
    return plain.model_copy(update={"title": item.title, "requirements": tuple(served)})
