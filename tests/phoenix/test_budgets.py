"""Budgets as a person meets them: refused, shown, raised."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.model_server import ModelServer, answer
from tests.phoenix.command import ROOT, Done, phoenix
from tests.phoenix.test_bad_input import refused
from tests.phoenix.test_commands import read_until
from tests.platform import BRIEF

pytestmark = pytest.mark.services
MODEL = ("--model", "rehearsal:seed=7")
AUTO = (*MODEL, "--approve", "auto")


def status(env: dict[str, str], name: str = "tiny-sums") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(phoenix("status", name, "--json", env=env).out)
    return found


def budget(found: dict[str, Any], scope: str) -> dict[str, Any]:
    [one] = [b for b in found["budgets"] if b["scope"] == scope]
    return one


def again(done: Done, env: dict[str, str], brief: str) -> dict[str, Any]:
    """The result of the same build with the very cap that its message names."""
    cap = done.line.split("--budget ")[1].split()[0].rstrip(".")
    result: dict[str, Any] = json.loads(
        phoenix("build", brief, *AUTO, "--budget", cap, "--json", env=env).out
    )
    return result


def test_a_run_stops_at_its_cap_shows_its_gate_and_goes_on_with_a_higher_one(
    served: dict[str, str], brief: str
) -> None:
    done = phoenix("build", brief, *AUTO, "--budget", "0.06", "--json", env=served)
    assert done.code == 6
    result = json.loads(done.out)
    assert result["gates"] == [{"gate": "budget", "decision": None, "by": None}]
    assert result["message"] == done.line.removeprefix("phoenix: ")
    for text in (f"budget run {result['run']}: the cap is 0.06 USD, spent 0.00", "--budget 0.12 (at least "):
        assert text in done.line
    found = status(served)
    run = budget(found, "run")
    assert (run["key"], run["cap"], run["reserved"]) == (result["run"], "0.06", "0")
    assert run["spent"] == found["models"]["cost_usd"] == budget(found, "project")["spent"] != "0"
    assert budget(found, "day")["spent"] == run["spent"]
    assert (budget(found, "project")["cap"], found["remaining"]) == (None, None)
    told = phoenix("status", "tiny-sums", env=served).out
    assert "gate budget: waiting" in told
    assert f"budget run {result['run']}: {run['spent']} USD spent, cap 0.06 USD" in told
    assert "to come: not known" in told
    ended = again(done, served, brief)
    assert (ended["state"], ended["run"]) == ("COMPLETED", result["run"])
    assert [g["gate"] for g in ended["gates"]] == ["release"]
    assert status(served)["remaining"]["cost_usd"] == ["0", "0"]
    assert "0 to 0 calls, 0 to 0 USD" in phoenix("status", "tiny-sums", env=served).out
    listed = json.loads(phoenix("status", "--json", env=served).out)["projects"]
    assert [p["project_cost_usd"] for p in listed] == [ended["models"]["cost_usd"]]


@pytest.mark.parametrize(
    ("variable", "scope"), [("PHOENIX_PROJECT_BUDGET_USD", "project"), ("PHOENIX_DAY_BUDGET_USD", "day")]
)
def test_what_other_runs_spent_counts_against_a_project_and_a_day(
    served: dict[str, str], brief: str, tmp_path: Path, variable: str, scope: str
) -> None:
    first = json.loads(phoenix("build", brief, *AUTO, "--json", env=served).out)
    cost = first["models"]["cost_usd"]
    other = tmp_path / "other.md"
    other.write_text(BRIEF.replace("one integer", "one whole number"))
    done = phoenix("build", str(other), *AUTO, env={**served, variable: cost})
    refused(done, 6, f"budget {scope} ", f"spent {cost} USD", f"set {variable}=")
    assert budget(status(served), scope)["spent"] == cost
    while done.code == 6:
        raised = done.line.split(f"{variable}=")[1].split()[0]
        done = phoenix("build", str(other), *AUTO, env={**served, variable: raised})
    assert done.code == 0, done.err


def test_a_cap_of_zero_refuses_every_priced_call(served: dict[str, str], brief: str) -> None:
    for cap in (
        {"PHOENIX_BUDGET_USD": "0"},
        {"PHOENIX_PROJECT_BUDGET_USD": "0"},
        {"PHOENIX_DAY_BUDGET_USD": "0"},
    ):
        refused(phoenix("build", brief, *AUTO, env={**served, **cap}), 6, "the cap is 0.00 USD")
    found = status(served)
    assert found["models"] == {
        "calls": 0,
        "replayed": 0,
        "input_tokens": 0,
        "output_tokens": 0,
        "cost_usd": "0",
    }
    assert len([g for g in found["gates"] if g["gate"] == "budget"]) == 1, "older questions are withdrawn"


def test_a_cap_below_zero_or_beyond_reason_is_refused(served: dict[str, str], brief: str) -> None:
    for name in ("PHOENIX_BUDGET_USD", "PHOENIX_PROJECT_BUDGET_USD", "PHOENIX_DAY_BUDGET_USD"):
        for value in ("-1", "nan", "much", "1e20", "0.000000001"):
            refused(phoenix("build", brief, *AUTO, env={**served, name: value}), 2, name)
    refused(phoenix("build", brief, *AUTO, "--budget", "1e20", env=served), 2, "--budget 1e20")


def test_a_cap_of_the_brief_is_raised_in_the_brief_and_continues_the_run(
    served: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "brief.md"
    path.write_text(f"---\nbudget_usd: 0.06\n---\n{BRIEF}")
    done = phoenix("build", str(path), *AUTO, "--budget", "5", env=served)
    refused(done, 6, "set budget_usd: 0.12 in the front matter of the brief")
    path.write_text(f"---\nbudget_usd: 0.12\n---\n{BRIEF}")
    result = json.loads(phoenix("build", str(path), *AUTO, "--budget", "5", "--json", env=served).out)
    assert result["state"] == "COMPLETED"
    assert result["models"]["replayed"] == 0, "one run asked everything"


def test_at_a_terminal_a_person_raises_the_cap_and_the_run_goes_on(
    served: dict[str, str], brief: str, tmp_path: Path
) -> None:
    ours, theirs = pty.openpty()
    command = (sys.executable, "-m", "phoenix.main", "build", brief, *MODEL, "--budget", "0.06", "--json")
    process = subprocess.Popen(
        [*command, "--output", str(tmp_path / "out")],
        stdin=theirs, stdout=subprocess.PIPE, stderr=theirs, env=served, cwd=ROOT,
    )  # fmt: skip
    os.close(theirs)
    seen = read_until(ours, "approve, revise or reject?")
    for text in ("has reached its budget: run ", "The cap is 0.06 USD", "raise the cap to 0.12 USD"):
        assert text in seen
    for amount in (b"plenty\n", b"3\n"):
        os.write(ours, b"revise\n")
        read_until(ours, "what should change, or why?")
        os.write(ours, amount)
        seen = read_until(ours, "approve, revise or reject?")
    assert "# Release 0.1.0 of tiny-sums" in seen
    os.write(ours, b"approve\n")
    out, _ = process.communicate(timeout=60)
    os.close(ours)
    assert process.returncode == 0
    result = json.loads(out)
    assert [(g["gate"], g["decision"]) for g in result["gates"]] == [
        ("budget", "revise"),
        ("release", "approve"),
    ]
    assert budget(status(served), "run")["cap"] == "3"


def test_a_price_table_with_a_hole_refuses_the_build_unless_the_model_is_free(
    served: dict[str, str], brief: str
) -> None:
    with ModelServer(answer("nonsense")) as server:
        env = {
            **served,
            "OPENAI_BASE_URL": server.url,
            "PHOENIX_PRICES": '{"cheap": {"input": 1, "output": 2}}',
            "PHOENIX_MODEL": "openai:cheap",
            "PHOENIX_MODEL_STRONG": "openai:nobody-knows",
        }
        done = phoenix("build", brief, "--approve", "auto", env=env)
        refused(done, 2, "no price is known for openai:nobody-knows", "PHOENIX_PRICES", "PHOENIX_FREE_MODELS")
        assert server.calls == 0
        free = {**env, "PHOENIX_FREE_MODELS": "openai:nobody-*"}
        assert phoenix("build", brief, "--approve", "auto", env=free).code == 4, (
            "it was asked, and talked nonsense"
        )
        assert server.calls > 0
