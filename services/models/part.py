"""One agent's part in a rehearsal."""

import hashlib
from decimal import Decimal

from pydantic import TypeAdapter

from schemas.calls import Request
from schemas.contract import Contract
from schemas.specification import Specification
from schemas.srs import SRS
from services.models.names import RehearsalOptions
from services.models.synthetic_graph import Graph

_SRS: TypeAdapter[SRS] = TypeAdapter(Specification | SRS)
DEFAULT_ITEMS = 5


class Part:
    """One agent's part at one attempt; every draw depends on these and the seed alone."""

    def __init__(self, options: RehearsalOptions, request: Request, attempt: int) -> None:
        self.options, self.values, self.subject = options, request.values, request.subject
        self.graph = Graph(options.seed, options.items or DEFAULT_ITEMS, options.layers)
        self._about = f"{options.seed}|{request.agent}|{request.subject}|{attempt}"

    def draw(self, what: str) -> float:
        """A number from 0 up to 1."""
        digest = hashlib.sha256(f"{self._about}|{what}".encode()).digest()
        return int.from_bytes(digest[:7]) / 2**56

    def strikes(self, fault: str, rate: Decimal) -> bool:
        """Whether a fault happens this time."""
        return self.draw(fault) < rate

    def which(self, count: int, what: str = "which") -> int:
        """A place from 0, below the count."""
        return int(self.draw(what) * count)

    def contract(self) -> Contract:
        """The declared contract."""
        return Contract.model_validate_json(self.values["contract"])

    def srs(self) -> SRS:
        """The declared specification."""
        return _SRS.validate_json(self.values["srs"])
