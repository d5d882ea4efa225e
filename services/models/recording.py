"""Recordings: the answers of one run in a file, to be played again without a model."""

import json
import os
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import ValidationError

from schemas.base import Value
from schemas.calls import RecordedAnswer
from schemas.errors import InputError
from schemas.policy import Tier
from services.models import names

if TYPE_CHECKING:
    from services.database import Database


class Recording(Value):
    """A recording: who answered, when, for which project, and what."""

    format: Literal[1] = 1
    answered_by: str
    recorded: str
    """The date, year first."""
    project: str
    audit_key: str = ""
    """What the recorded run drew its audits' inputs by."""
    entries: tuple[RecordedAnswer, ...]


def read_recording(path: Path) -> Recording:
    """The recording in a file.

    Raises:
        InputError: the file is missing or no recording.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"the recording {path} cannot be read: {error.strerror}.") from None
    except (ValueError, RecursionError):
        raise InputError(f"the recording {path} is not JSON; write a new one with --record FILE.") from None
    try:
        if isinstance(data, dict):
            entries = data.get("entries")
            data["entries"] = [_joined(e) for e in entries] if isinstance(entries, list) else entries
        recording = Recording.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise InputError(f"the recording {path} is invalid at {where}: {first['msg']}.") from None
    keys = [(e.agent, e.subject, e.attempt) for e in recording.entries]
    if len(set(keys)) < len(keys):
        raise InputError(f"the recording {path} is invalid: an agent, subject and attempt occur twice.")
    return recording


def write_file(path: Path, recording: Recording) -> None:
    """Write a recording as a whole, or leave the old file."""
    data = recording.model_dump(mode="json")
    data["entries"] = [_split(entry) for entry in data["entries"]]
    text = json.dumps(data, indent=1, ensure_ascii=False) + "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".part")
    except OSError as error:
        raise InputError(f"the recording {path} cannot be written: {error.strerror}.") from None
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def made_today(answered_by: str, project: str, entries: Sequence[RecordedAnswer], key: str = "") -> Recording:
    """A recording of today, in an order that does not depend on when who answered."""
    ordered = sorted(entries, key=lambda e: (e.agent, e.subject, e.attempt))
    today = datetime.now(UTC).date().isoformat()
    return Recording(
        answered_by=answered_by, recorded=today, project=project, audit_key=key, entries=tuple(ordered)
    )


def audit_key(model: str, run: str) -> str:
    """What a run draws the inputs of its audits by: its id, which is random and which no agent is told.

    A recording has that of the run that was recorded, so that equal answers give equal trees.
    """
    name = names.parse_model_name(model)
    if name.provider == "recorded":
        return read_recording(names.recording_path(name)).audit_key
    return "" if name.provider == "rehearsal" else run


def _split(entry: dict[str, Any]) -> dict[str, Any]:
    answer = entry["answer"]
    return {**entry, "answer": {"lines": answer.split("\n")}} if "\n" in answer else entry


def _joined(entry: Any) -> Any:
    answer = entry.get("answer") if isinstance(entry, dict) else None
    lines = answer.get("lines") if isinstance(answer, dict) else None
    if isinstance(lines, list) and all(isinstance(line, str) for line in lines):
        return {**entry, "answer": "\n".join(lines)}
    return entry


async def write_recording(database: "Database", run: str, path: Path, answered_by: str) -> int:
    """Write every answer that a run used, from calls and ledger alike; how many there are."""
    from services.database import usage
    from services.database.runs import find_run, policy_of
    from services.database.sources import taken_from

    async with database.transaction() as conn:
        project = (await find_run(conn, run)).project
        others = await taken_from(conn, run)
        key = audit_key((await policy_of(conn, run)).models[Tier.STANDARD], run)
        entries = await usage.run_calls_for_recording(conn, run, others)
    write_file(path, made_today(answered_by, project, entries, key))
    return len(entries)
