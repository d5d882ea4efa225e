"""The tables, as SQLAlchemy sees them; the migrations create them."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    LargeBinary,
    MetaData,
    Numeric,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

APPEND_ONLY = ("events", "artifacts")
"""Tables whose rows the database itself refuses to change or delete."""


class Table(DeclarativeBase):
    """What all tables share: constraint names and column types."""

    metadata = MetaData(
        naming_convention={
            "pk": "%(table_name)s_pkey",
            "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
            "uq": "%(table_name)s_%(column_0_N_name)s_key",
            "ix": "%(table_name)s_%(column_0_N_name)s_idx",
            "ck": "%(table_name)s_%(constraint_name)s_check",
        }
    )
    type_annotation_map = {  # noqa: RUF012
        str: Text(),
        datetime: DateTime(timezone=True),
        Decimal: Numeric(18, 8),
        dict[str, Any]: JSONB(),
        bytes: LargeBinary(),
    }


def _now() -> Any:
    return mapped_column(server_default=func.now())


def _number() -> Any:
    return mapped_column(BigInteger, Identity(always=True), unique=True)


def _zero() -> Any:
    return mapped_column(server_default=text("0"))


class Project(Table):
    """A brief's long-lived identity, and the head of its chain of events."""

    __tablename__ = "projects"
    slug: Mapped[str] = mapped_column(primary_key=True)
    title: Mapped[str]
    sequence: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    head: Mapped[str]
    opened_at: Mapped[datetime] = _now()


class BriefVersion(Table):
    """One version of a project's brief."""

    __tablename__ = "briefs"
    project: Mapped[str] = mapped_column(ForeignKey("projects.slug"), primary_key=True)
    digest: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int] = _number()
    brief: Mapped[dict[str, Any]]
    written_at: Mapped[datetime] = _now()


class RunRow(Table):
    """A run and the state that it is in."""

    __tablename__ = "runs"
    id: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int] = _number()
    project: Mapped[str]
    brief: Mapped[str]
    policy: Mapped[str]
    policy_body: Mapped[dict[str, Any]]
    state: Mapped[str]
    opened_at: Mapped[datetime] = _now()
    ended_at: Mapped[datetime | None]
    __table_args__ = (
        ForeignKeyConstraint(["project", "brief"], ["briefs.project", "briefs.digest"]),
        Index("runs_project_number_idx", "project", "number"),
    )


class Execution(Table):
    """One process or Prefect flow run that carried a run."""

    __tablename__ = "executions"
    id: Mapped[str] = mapped_column(primary_key=True)
    run: Mapped[str] = mapped_column(ForeignKey("runs.id"))
    number: Mapped[int]
    flow_run: Mapped[str | None]
    host: Mapped[str]
    pid: Mapped[int]
    opened_at: Mapped[datetime] = _now()
    ended_at: Mapped[datetime | None]
    outcome: Mapped[str | None]
    __table_args__ = (UniqueConstraint("run", "number"),)


class EventRow(Table):
    """One link of a project's chain; `at` is the exact text that was hashed."""

    __tablename__ = "events"
    project: Mapped[str] = mapped_column(ForeignKey("projects.slug"), primary_key=True)
    sequence: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    run: Mapped[str] = mapped_column(ForeignKey("runs.id"), index=True)
    execution: Mapped[str]
    kind: Mapped[str]
    from_state: Mapped[str | None]
    to_state: Mapped[str | None]
    actor: Mapped[str]
    payload: Mapped[dict[str, Any]]
    at: Mapped[str]
    previous: Mapped[str]
    hash: Mapped[str]
    committed_at: Mapped[datetime] = _now()


class Artifact(Table):
    """A body, named by the sha-256 of its bytes."""

    __tablename__ = "artifacts"
    digest: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    body: Mapped[bytes]
    written_at: Mapped[datetime] = _now()


class Result(Table):
    """A stage key's answer."""

    __tablename__ = "results"
    key: Mapped[str] = mapped_column(primary_key=True)
    stage: Mapped[str]
    outcome: Mapped[str]
    answer: Mapped[str] = mapped_column(ForeignKey("artifacts.digest"))
    run: Mapped[str] = mapped_column(ForeignKey("runs.id"), index=True)
    item: Mapped[str | None]
    recorded_at: Mapped[datetime] = _now()


class WorkItem(Table):
    """A work item as one run planned it."""

    __tablename__ = "work_items"
    run: Mapped[str] = mapped_column(ForeignKey("runs.id"), primary_key=True)
    id: Mapped[str] = mapped_column(primary_key=True)
    project: Mapped[str] = mapped_column(ForeignKey("projects.slug"))
    key: Mapped[str]
    title: Mapped[str]
    position: Mapped[int]
    body: Mapped[str] = mapped_column(ForeignKey("artifacts.digest"))
    reason: Mapped[str]
    __table_args__ = (Index("work_items_project_key_idx", "project", "key"),)


class Generation(Table):
    """An accepted candidate of an item key; the current one is the row that nothing supersedes."""

    __tablename__ = "generations"
    number: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    project: Mapped[str] = mapped_column(ForeignKey("projects.slug"))
    key: Mapped[str]
    suite: Mapped[str] = mapped_column(ForeignKey("artifacts.digest"))
    candidate: Mapped[str] = mapped_column(ForeignKey("artifacts.digest"))
    evidence: Mapped[str] = mapped_column(ForeignKey("artifacts.digest"))
    run: Mapped[str] = mapped_column(ForeignKey("runs.id"))
    accepted_at: Mapped[datetime] = _now()
    superseded_at: Mapped[datetime | None]
    __table_args__ = (
        Index(
            "generations_current_idx",
            "project",
            "key",
            unique=True,
            postgresql_where=text("superseded_at IS NULL"),
        ),
    )


class ModelCallRow(Table):
    """A request digest's call: in flight, then done or failed."""

    __tablename__ = "model_calls"
    digest: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[str]
    agent: Mapped[str]
    subject: Mapped[str]
    tier: Mapped[str]
    model: Mapped[str]
    request: Mapped[bytes]
    """Canonical JSON as bytes, because jsonb cannot hold NUL characters."""
    answer: Mapped[bytes | None]
    finish: Mapped[str | None]
    input_tokens: Mapped[int | None]
    output_tokens: Mapped[int | None]
    cached_tokens: Mapped[int | None]
    estimate: Mapped[Decimal]
    cost: Mapped[Decimal] = _zero()
    """What the answer was charged at: its price, at most the estimate."""
    wasted: Mapped[Decimal] = _zero()
    """What failed and orphaned attempts were charged at."""
    overrun: Mapped[bool] = mapped_column(server_default=text("false"))
    error: Mapped[str | None]
    owner: Mapped[str]
    run: Mapped[str] = mapped_column(ForeignKey("runs.id"))
    """The run that claimed it last."""
    attempts: Mapped[int]
    asked_at: Mapped[datetime] = _now()
    answered_at: Mapped[datetime | None]
    __table_args__ = (
        CheckConstraint("state IN ('in_flight', 'done', 'failed')", name="state"),
        CheckConstraint("state <> 'done' OR answer IS NOT NULL", name="answered"),
        Index("model_calls_in_flight_idx", "digest", postgresql_where=text("state = 'in_flight'")),
    )


class RunCall(Table):
    """That a run asked a request, as which attempt of its agent and subject, of which model and why."""

    __tablename__ = "run_calls"
    run: Mapped[str] = mapped_column(ForeignKey("runs.id"), primary_key=True)
    request: Mapped[str] = mapped_column(primary_key=True)
    agent: Mapped[str]
    subject: Mapped[str]
    attempt: Mapped[int]
    inputs: Mapped[str]
    tier: Mapped[str | None]
    model: Mapped[str | None]
    reason: Mapped[str | None]
    """None, as the tier and the model, where an earlier version did not write it down."""
    replayed: Mapped[bool] = mapped_column(server_default=text("true"))
    """True as long as this run never sent the request to a provider."""
    charged: Mapped[Decimal] = _zero()
    told_at: Mapped[datetime] = _now()
    __table_args__ = (UniqueConstraint("run", "agent", "subject", "attempt"),)


class BudgetRow(Table):
    """The cap that was held to last (none only counts), and what is reserved and spent against it."""

    __tablename__ = "budgets"
    scope: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    cap: Mapped[Decimal | None]
    reserved: Mapped[Decimal] = _zero()
    spent: Mapped[Decimal] = _zero()
    raised_from: Mapped[Decimal | None]
    """The cap for which a human allowed raised_to instead."""
    raised_to: Mapped[Decimal | None]
    __table_args__ = (CheckConstraint("reserved >= 0 AND spent >= 0", name="positive"),)


class Reservation(Table):
    """What a call in flight holds of a budget."""

    __tablename__ = "reservations"
    request: Mapped[str] = mapped_column(ForeignKey("model_calls.digest"), primary_key=True)
    scope: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    amount: Mapped[Decimal]
    room: Mapped[Decimal | None]
    """What the cap had left when this was reserved; None without a cap."""
    __table_args__ = (
        ForeignKeyConstraint(["scope", "key"], ["budgets.scope", "budgets.key"]),
        CheckConstraint("room >= 0", name="room"),
    )


class Approval(Table):
    """One question to a human, bound to the digest of its subject and of what was shown."""

    __tablename__ = "approvals"
    id: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int] = _number()
    project: Mapped[str] = mapped_column(ForeignKey("projects.slug"))
    run: Mapped[str] = mapped_column(ForeignKey("runs.id"), index=True)
    gate: Mapped[str]
    subject: Mapped[str]
    ask: Mapped[int]
    """1 for the first time that this subject is shown; more after an expiry."""
    shown: Mapped[str] = mapped_column(ForeignKey("artifacts.digest"))
    asked_at: Mapped[datetime] = _now()
    expires_at: Mapped[datetime | None]
    decision: Mapped[str | None]
    who: Mapped[str | None]
    comment: Mapped[str | None]
    decided_at: Mapped[datetime | None]
    __table_args__ = (
        UniqueConstraint("project", "gate", "subject", "ask"),
        CheckConstraint("decision IN ('approve', 'revise', 'reject')", name="decision"),
        CheckConstraint("(decision IS NULL) = (who IS NULL)", name="who"),
    )


class ReleaseRow(Table):
    """An accepted source tree."""

    __tablename__ = "releases"
    project: Mapped[str] = mapped_column(ForeignKey("projects.slug"), primary_key=True)
    version: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int] = _number()
    run: Mapped[str] = mapped_column(ForeignKey("runs.id"), index=True)
    tree: Mapped[str]
    commit: Mapped[str]
    manifest: Mapped[str] = mapped_column(ForeignKey("artifacts.digest"))
    files: Mapped[str] = mapped_column(ForeignKey("artifacts.digest"))
    supersedes: Mapped[str | None]
    status: Mapped[str]
    released_at: Mapped[datetime] = _now()
    __table_args__ = (
        ForeignKeyConstraint(["project", "supersedes"], ["releases.project", "releases.version"]),
        CheckConstraint("status IN ('promoted', 'kept')", name="status"),
    )
