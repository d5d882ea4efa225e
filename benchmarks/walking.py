"""How long the walking Phoenix takes: `uv run python benchmarks/walking.py [--demos 3]`.

Prints medians and ratios of one invocation: --help against an empty Python, the demo against what ran in its
sandbox, an unchanged build against a first one, and a run killed five times against an undisturbed one.
"""

import argparse
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
PHOENIX = (sys.executable, "-m", "phoenix.main")
MODEL = "rehearsal:seed=11,bad_code=0.5,schema_violation=0.2,latency=0.3"
BRIEF = "# Tiny Sums\n\nA small library with arithmetic functions over integers, with an example each.\n"


def run(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, **environment}
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT, env=env)


def seconds(work: Callable[[], object], times: int) -> float:
    """The median of several timings."""
    found = []
    for _ in range(times):
        began = time.monotonic()
        work()
        found.append(time.monotonic() - began)
    return statistics.median(found)


def help_against_python() -> None:
    python = seconds(lambda: run(sys.executable, "-c", "pass"), 7)
    phoenix = seconds(lambda: run(*PHOENIX, "--help"), 7)
    print(f"phoenix --help        {phoenix:6.2f} s   {phoenix / python:5.1f} × an empty Python")


def demo_against_its_sandbox(times: int) -> None:
    inside: list[float] = []
    with tempfile.TemporaryDirectory() as folder:

        def demo() -> None:
            done = run(*PHOENIX, "demo", "--output", folder)
            inside.append(float(re.search(r"programs, ([\d.]+) s", done.stdout)[1]))  # type: ignore[index]

        whole = seconds(demo, times)
    print(
        f"phoenix demo          {whole:6.1f} s   {whole / statistics.median(inside):5.1f} × its sandbox time"
    )


def build(brief: str, home: str) -> tuple[float, dict[str, object]]:
    began = time.monotonic()
    done = run(*PHOENIX, "build", brief, "--model", MODEL, "--approve", "auto", "--json", PHOENIX_HOME=home)
    return time.monotonic() - began, json.loads(done.stdout)


def killed(brief: str, home: str, after: float) -> None:
    """Start the build and pull its plug."""
    env = {**os.environ, "PHOENIX_HOME": home}
    command = (*PHOENIX, "build", brief, "--model", MODEL, "--approve", "auto", "--json")
    process = subprocess.Popen(
        command, cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    time.sleep(after)
    process.send_signal(signal.SIGKILL)
    process.wait()


def kills_against_calm() -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        brief = Path(folder, "brief.md")
        brief.write_text(BRIEF)
        calm_s, calm = build(str(brief), f"{folder}/calm")
        again_s, _ = build(str(brief), f"{folder}/calm")
        print(f"first build           {calm_s:6.1f} s")
        print(f"unchanged build       {again_s:6.1f} s   {again_s / calm_s:5.2f} × the first")
        for share in (0.45, 0.6, 0.7, 0.8, 0.9):
            killed(str(brief), f"{folder}/killed", calm_s * share)
        _, disturbed = build(str(brief), f"{folder}/killed")
        trees = [r["release"]["tree"] for r in (calm, disturbed)]  # type: ignore[index]
        calls = [r["models"]["calls"] for r in (calm, disturbed)]  # type: ignore[index]
        same = "the same tree" if trees[0] == trees[1] else "ANOTHER TREE"
        print(f"killed 5 times        {same}, {calls[1]} requests sent against {calls[0]} undisturbed")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--demos", type=int, default=3)
    wanted = parser.parse_args()
    help_against_python()
    demo_against_its_sandbox(wanted.demos)
    kills_against_calm()
