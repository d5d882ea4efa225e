"""The tables of the memory."""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, func
from sqlalchemy.orm import Mapped, mapped_column

from services.database.tables import Table


class MemoryRow(Table):
    """Something remembered; it outlives its run, so it refers to none."""

    __tablename__ = "memories"
    digest: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger, Identity(always=True), unique=True)
    kind: Mapped[str]
    project: Mapped[str]
    run: Mapped[str]
    item: Mapped[str]
    text: Mapped[str]
    body: Mapped[str] = mapped_column(ForeignKey("artifacts.digest"))
    embedder: Mapped[str]
    """What made the vector, or is to make it."""
    vector: Mapped[bytes | None]
    """32-bit floats, little-endian, of length one; null while they are not made."""
    remembered_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expired_at: Mapped[datetime | None]
    __table_args__ = (
        CheckConstraint("kind IN ('pattern', 'code', 'failure')", name="kind"),
        Index("memories_project_item_idx", "project", "item"),
    )


class HintRow(Table):
    """The hints that were given under a key: whoever asks again is given the same."""

    __tablename__ = "hints"
    key: Mapped[str] = mapped_column(primary_key=True)
    body: Mapped[str] = mapped_column(ForeignKey("artifacts.digest"))
    given_at: Mapped[datetime] = mapped_column(server_default=func.now())
