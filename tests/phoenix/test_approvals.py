"""Decisions at the command line: listed, shown, given once, and what becomes of the run."""

import getpass
import json
import re

import pytest

from tests.phoenix.command import phoenix

pytestmark = pytest.mark.services
MODEL = ("--model", "rehearsal:seed=7", "--approve", "ask")


def waiting(served: dict[str, str]) -> list[dict[str, str]]:
    found: list[dict[str, str]] = json.loads(phoenix("approvals", "--json", env=served).out)["approvals"]
    return found


def test_a_run_that_waits_goes_on_after_a_decision_from_anywhere(served: dict[str, str], brief: str) -> None:
    me = getpass.getuser()
    assert phoenix("approvals", env=served).out == "Nothing waits for a decision.\n"
    asked = phoenix("build", brief, *MODEL, env=served)
    assert asked.code == 3
    [one] = waiting(served)
    assert f"phoenix approve {one['id']}" in asked.err
    assert (one["project"], one["gate"]) == ("tiny-sums", "release")
    row = rf"^{one['id']} +tiny-sums +release +{one['run']} +\d+ (s|min)$"
    assert re.search(row, phoenix("approvals", env=served).out, re.MULTILINE)
    assert phoenix("approvals", one["id"], env=served).out.startswith("# Release 0.1.0 of tiny-sums\n")

    approved = phoenix("approve", one["id"], env=served)
    assert (approved.code, approved.out) == (0, f"release of tiny-sums: approve by {me}\n")
    late = phoenix("revise", one["id"], "--comment", "Say what happens with zero.", env=served)
    assert (late.code, late.out) == (2, "")
    assert f"was decided before: approve by {me}" in late.err

    done = phoenix("build", brief, *MODEL, "--json", env=served)
    assert done.code == 0, done.err
    assert json.loads(done.out)["gates"] == [{"gate": "release", "decision": "approve", "by": me}]
    assert waiting(served) == []


def test_a_rejection_ends_the_run(served: dict[str, str], brief: str) -> None:
    phoenix("build", brief, *MODEL, env=served)
    [one] = waiting(served)
    assert phoenix("reject", one["id"], "--comment", "We buy it instead.", env=served).code == 0
    ended = phoenix("build", brief, *MODEL, env=served)
    assert ended.code == 5
    assert "We buy it instead." in ended.err


@pytest.mark.parametrize("command", [("approvals", "nobody"), ("approve", "nobody"), ("reject", "nobody")])
def test_an_unknown_id_is_one_line(served: dict[str, str], command: tuple[str, ...]) -> None:
    done = phoenix(*command, env=served)
    assert (done.code, done.out) == (2, "")
    assert done.err == "phoenix: no approval 'nobody'. 'phoenix approvals' lists the open ones.\n"


def test_a_revision_without_a_comment_is_refused(served: dict[str, str]) -> None:
    done = phoenix("revise", "any", env=served)
    assert (done.code, "--comment" in done.err) == (2, True)
