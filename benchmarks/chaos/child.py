"""The phoenix command under observation: `python -m benchmarks.chaos.child ARGUMENTS`.

It is the product's own command. Around it this file counts durable writes (commits that wrote rows, and
renames below the watched folders), kills the process group before or after the one that it was told, and
writes what the provider was asked and answered to a log of its own, which no part of Phoenix reads. Settings
by variables: CHAOS_LOG, CHAOS_STRIKE ("before 17;after 3 events+results"; empty: none), CHAOS_FAULTS (the
share of questions that are first answered with a 429 or a 500).
"""

import hashlib
import json
import os
import re
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

LOG = os.open(os.environ["CHAOS_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
FAULTS = float(os.environ.get("CHAOS_FAULTS", "0"))
WRITES = re.compile(r"\s*(?:INSERT INTO|UPDATE|DELETE FROM)\s+(\w+)")
DIGEST = re.compile(r"[0-9a-f]{64}")


def note(what: str, **facts: Any) -> None:
    """Append one line; the kernel keeps it whatever happens to this process."""
    line = {"t": time.time(), "pid": os.getpid(), "what": what, **facts}
    os.write(LOG, json.dumps(line).encode() + b"\n")


class Strikes:
    """When to pull the plug: at which durable write of all or of one kind, before or after it."""

    def __init__(self, wanted: str) -> None:
        parts = [(*one.split(" "), "")[:3] for one in wanted.split(";") if one]
        self.due = {(kind, int(number), side) for side, number, kind in parts}
        self.seen: Counter[str] = Counter()

    def around(self, kind: str, act: Callable[[], Any]) -> None:
        """Do the durable write, unless the plug is pulled before it."""
        for counted in ("", kind):
            self.seen[counted] += 1
        self.pull(kind, "before")
        act()
        note("write", kind=kind)
        self.pull(kind, "after")

    def pull(self, kind: str, side: str) -> None:
        """End this process and all of its group at once, when it is time."""
        if any((counted, self.seen[counted], side) in self.due for counted in ("", kind)):
            note("struck", kind=kind, side=side)
            os.killpg(0, signal.SIGKILL)


STRIKES = Strikes(os.environ.get("CHAOS_STRIKE", ""))


def watch_commits() -> None:
    """Tell the commits that wrote rows, and the answers that they made durable."""
    from sqlalchemy import event
    from sqlalchemy.engine import Engine
    from sqlalchemy.engine.default import DefaultDialect

    committing: list[Any] = []
    commit: Any = DefaultDialect.do_commit

    @event.listens_for(Engine, "before_cursor_execute")
    def executed(conn: Any, cursor: Any, statement: str, values: Any, *_: Any) -> None:
        if found := WRITES.match(statement):
            conn.info.setdefault("tables", set()).add(found[1])
            if found[1] == "model_calls" and isinstance(values, dict) and "done" in values.values():
                settled = [v for v in values.values() if isinstance(v, str) and DIGEST.fullmatch(v)]
                conn.info.setdefault("settled", []).extend(settled)

    @event.listens_for(Engine, "rollback")
    def rolled_back(conn: Any) -> None:
        notes = {} if conn.invalidated else conn.info  # invalidated: its database has died, its notes too
        notes.pop("tables", None)
        notes.pop("settled", None)

    @event.listens_for(Engine, "commit")
    def begins(conn: Any) -> None:
        committing.append(conn.info)

    def do_commit(dialect: Any, connection: Any) -> None:
        info = committing.pop() if committing else {}
        tables, settled = info.pop("tables", None), info.pop("settled", ())

        def act() -> None:
            commit(dialect, connection)
            for digest in settled:
                note("settled", digest=digest)

        if tables:
            STRIKES.around("+".join(sorted(tables)), act)
        else:
            act()

    DefaultDialect.do_commit = do_commit  # type: ignore[method-assign]


def watch_renames(below: list[Path]) -> None:
    """Tell every rename below the folders; files and folders are put in place by them."""
    for name in ("rename", "replace"):
        setattr(os, name, _watched(getattr(os, name), below))


def _watched(act: Callable[..., None], below: list[Path]) -> Callable[..., None]:
    def rename(source: Any, target: Any, **more: Any) -> None:
        place = Path(os.fsdecode(target)).absolute()
        if any(place.is_relative_to(folder) for folder in below):
            kind = re.sub(r"[0-9a-f]{8,}", "*", place.name)
            STRIKES.around(f"rename:{kind}", lambda: act(source, target, **more))
        else:
            act(source, target, **more)

    return rename


def watch_provider() -> None:
    """Tell each question and each answer of the provider; put faults between them at a given rate."""
    from schemas.calls import Reply, Request
    from services.models.outcome import TryFailed
    from services.models.played_chat import PlayedChat

    ask = PlayedChat.ask
    tries: Counter[str] = Counter()

    async def watched(chat: PlayedChat, request: Request, attempt: int) -> Reply:
        name = request.digest()
        if not tries:
            note("first", modules=list(sys.modules) if "CHAOS_MODULES" in os.environ else [])
        tries[name] += 1
        note("asked", digest=name)
        draw = int.from_bytes(hashlib.sha256(name.encode()).digest()[:7]) / 2**56
        if draw < FAULTS and tries[name] == 1:
            status = 429 if draw < FAULTS / 2 else 500
            note("fault", digest=name, status=status)
            raise TryFailed(f"HTTP {status}", perhaps_paid=False, retry_after=0.1, throttled=status == 429)
        reply = await ask(chat, request, attempt)
        usage = reply.usage
        note("answered", digest=name, tokens=[usage.input_tokens, usage.output_tokens] if usage else None)
        return reply

    PlayedChat.ask = watched  # type: ignore[method-assign, assignment]


if __name__ == "__main__":
    note("began")
    from phoenix.main import main

    watch_commits()
    watch_provider()
    watch_renames([Path(folder) for folder in os.environ["CHAOS_WATCHED"].split(os.pathsep)])
    main()
