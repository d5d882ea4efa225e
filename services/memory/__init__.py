"""The memory: what earlier work can hint at. PostgreSQL holds it; Chroma is an index that can be rebuilt."""

from services.memory.embedding import Embedder, open_embedder
from services.memory.memory import Memory

__all__ = ["Embedder", "Memory", "open_embedder"]
