"""The pieces that descriptions are made of: tables, code, verdicts."""

import html
import re
from collections import Counter
from collections.abc import Sequence

from schemas.stages import Measures
from schemas.verdict import Status, Verdict

MARKS = {Status.PASSED: "passed", Status.FAILED: "**failed**", Status.NOT_RUN: "not run"}


def verdicts_table(*verdicts: Verdict) -> str:
    """Verdicts, a row each."""
    rows = [
        (v.subject, MARKS[v.status], v.level, v.reason.splitlines()[0] if v.reason else "", _where(v))
        for v in verdicts
    ]
    return table_of(("subject", "verdict", "level", "reason", "ran in"), rows)


def _where(verdict: Verdict) -> str:
    place = verdict.confinement
    return f"{place.backend} ({place.level})" if place else "–"


def test_names(ids: tuple[str, ...]) -> str:
    """Test functions, each with the number of its cases where there is more than one."""
    counts = Counter(test.split("::")[-1].split("[")[0] for test in ids)
    return "<br>".join(f"`{name}`{f' × {count}' if count > 1 else ''}" for name, count in counts.items())


def table_of(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """A table that no cell can break."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(map(_cell, row)) + " |" for row in rows]
    return "\n".join(lines)


def _cell(text: str) -> str:
    """One line that a table cannot read as another cell or as HTML; only our line break stays."""
    plain = html.escape(" ".join(text.split()), quote=False).replace("&lt;br&gt;", "<br>")
    return plain.replace("\\|", "\\&#124;").replace("|", "\\|")


def code_block(text: str, language: str) -> str:
    """Code behind a fence that it cannot close; empty when there is none."""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}{language}\n{text.rstrip()}\n{fence}" if text.strip() else ""


def measures_table(before: Measures, after: Measures) -> str:
    """Measures before and after a refactoring."""
    rows = [
        ("lines", str(before.lines), str(after.lines)),
        ("largest complexity", str(before.complexity), str(after.complexity)),
        ("linter findings", str(before.lint), str(after.lint)),
    ]
    return table_of(("measure", "before", "after"), rows)
