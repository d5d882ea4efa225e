"""PostgreSQL: the ledger, the store, and everything that was decided or paid for."""

from services.database import memory_tables
from services.database.database import Database

__all__ = ["Database", "memory_tables"]
