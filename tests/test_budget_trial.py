"""The trial of the budgets, in small: real processes, killed while their calls are in flight."""

import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from benchmarks.budgets import Trial

SCRIPT = Path(__file__).parent.parent / "benchmarks" / "budgets.py"


@pytest.mark.services
def test_killed_processes_overspend_nothing_and_leave_nothing_reserved() -> None:
    command = (sys.executable, str(SCRIPT), "--calls", "300", "--kills", "3", "--processes", "4")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    head, line = (text.split() for text in done.stdout.replace("reserve left", "reserve_left").splitlines())
    row = dict(zip(head, line, strict=True))
    assert (row["calls"], row["kills"]) == ("300", "3")
    assert int(row["orphans"]) > 0
    assert int(row["refused"]) > 0, "the budgets ran out"
    assert Decimal(row["billed"]) <= Decimal(row["spent"]) <= Decimal(row["cap"])
    assert [row[name] for name in ("overspend", "reserve_left", "unbooked")] == ["0"] * 3


def test_a_number_that_must_be_zero_is_named() -> None:
    good = Trial(calls=1, spent=Decimal(2), billed=Decimal(1))
    assert good.wrong() == []
    bad = Trial(
        calls=1, overspend=Decimal("0.001"), reserve_left=Decimal(1), spent=Decimal(1), billed=Decimal(2)
    )
    assert bad.wrong() == ["overspend", "reserve left", "unbooked"]
