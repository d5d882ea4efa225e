"""What humans were asked and decided; a question is bound to the digest of its subject."""

import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Select, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.base import Digest, Value
from schemas.errors import InputError
from schemas.events import Decision, EventKind
from services.database import ledger
from services.database.tables import Approval


class Asked(Value):
    """A question and, once there is one, its decision."""

    id: str
    project: str
    run: str
    gate: str
    subject: Digest
    ask: int
    shown: Digest
    """The artifact that the human saw."""
    asked_at: datetime
    expires_at: datetime | None
    decision: Decision | None
    who: str | None
    comment: str | None
    decided_at: datetime | None

    def over(self) -> bool:
        """Whether nobody can decide it any more, and nobody has."""
        return self.decision is None and self.expires_at is not None and self.expires_at <= datetime.now(UTC)


async def ask(
    conn: AsyncConnection,
    *,
    project: str,
    run: str,
    execution: str,
    gate: str,
    subject_digest: str,
    shown_digest: str,
    actor: str,
    expires_at: datetime | None = None,
) -> str:
    """The id of the question; one about the same subject that is open or decided is not asked again."""
    await conn.execute(ledger.lock_project(project))
    last = await decision_for(conn, project, gate, subject_digest)
    if last and not last.over():
        return last.id
    identity = uuid.uuid4().hex[:8]
    number = last.ask + 1 if last else 1
    row = insert(Approval).values(
        id=identity,
        project=project,
        run=run,
        gate=gate,
        subject=subject_digest,
        ask=number,
        shown=shown_digest,
        expires_at=expires_at,
    )
    await conn.execute(row)
    payload = {
        "approval": identity,
        "gate": gate,
        "subject": subject_digest,
        "shown": shown_digest,
        "ask": number,
    }
    await ledger.append(
        conn,
        project=project,
        run=run,
        execution=execution,
        kind=EventKind.GATE_ASKED,
        actor=actor,
        payload=payload,
    )
    return identity


async def decide(
    conn: AsyncConnection, approval_id: str, decision: Decision, who: str, comment: str = ""
) -> bool:
    """Whether this decision is the one that counts: the first committed one does.

    Raises:
        InputError: no such question, or it expired.
    """
    changed = update(Approval).where(Approval.id == approval_id, Approval.decision.is_(None))
    changed = changed.where(func.coalesce(Approval.expires_at, func.now()) >= func.now())
    values = {"decision": decision, "who": who, "comment": comment, "decided_at": func.now()}
    if (await conn.execute(changed.values(values))).rowcount == 0:
        if (await get_approval(conn, approval_id)).decision is None:
            raise InputError(f"approval {approval_id} has expired. Run the build again to be asked anew.")
        return False
    asked = await get_approval(conn, approval_id)
    await ledger.append(
        conn,
        project=asked.project,
        run=asked.run,
        execution="",
        kind=EventKind.GATE_DECIDED,
        actor=who,
        payload={
            "approval": approval_id,
            "gate": asked.gate,
            "subject": asked.subject,
            "decision": decision,
            "comment": comment,
        },
    )
    return True


async def withdraw(conn: AsyncConnection, identities: Iterable[str]) -> None:
    """Let open questions expire now; what was decided stays."""
    gone = update(Approval).where(Approval.id.in_(list(identities)), Approval.decision.is_(None))
    await conn.execute(gone.values(expires_at=func.now()))


async def get_approval(conn: AsyncConnection, approval_id: str) -> Asked:
    """One question.

    Raises:
        InputError: no such question.
    """
    row = (await conn.execute(_asked().where(Approval.id == approval_id))).one_or_none()
    if row is None:
        raise InputError(f"no approval {approval_id!r}. 'phoenix approvals' lists the open ones.")
    return Asked(**row._asdict())


async def decision_for(conn: AsyncConnection, project: str, gate: str, subject_digest: str) -> Asked | None:
    """The newest question of a gate about this subject, decided or not."""
    query = _asked().where(
        Approval.project == project, Approval.gate == gate, Approval.subject == subject_digest
    )
    row = (await conn.execute(query.order_by(Approval.ask.desc()).limit(1))).one_or_none()
    return Asked(**row._asdict()) if row else None


async def list_approvals(
    conn: AsyncConnection, *, run: str | None = None, undecided: bool = False
) -> list[Asked]:
    """Questions in the order of asking; undecided leaves out what is decided or expired."""
    query = _asked().order_by(Approval.number)
    if run is not None:
        query = query.where(Approval.run == run)
    if undecided:
        query = query.where(
            Approval.decision.is_(None), func.coalesce(Approval.expires_at, func.now()) >= func.now()
        )
    return [Asked(**row._asdict()) for row in await conn.execute(query)]


def _asked() -> Select[Any]:
    return select(*(getattr(Approval, name) for name in Asked.model_fields))
