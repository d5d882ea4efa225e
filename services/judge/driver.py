"""Runs inside the sandbox: one pytest session whose outcomes go to /out/report.jsonl, nothing else counts.

The candidate shares this process, so what this reports is evidence for repair, never a verified verdict.
"""

import json
import re
import sys

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.statistics import collector

ADDRESS = re.compile(r"0x[0-9a-fA-F]+")
UNEXPLAINED = [phase for phase in Phase if phase is not Phase.explain]


class Reporter:
    def __init__(self, path, reverse):
        self.reverse = reverse
        self.out = open(path, "w", encoding="utf-8")  # noqa: SIM115, PTH123
        self.marks = {}

    def say(self, **entry):
        self.out.write(json.dumps(entry, sort_keys=True) + "\n")
        self.out.flush()

    def pytest_collectreport(self, report):
        if report.failed:
            error = report.longrepr
            text = getattr(error, "longrepr", None) or str(error)
            last = [line for line in str(text).splitlines() if line.startswith("E ")] or str(
                text
            ).splitlines()
            message = clean("\n".join(line.removeprefix("E ").strip() for line in last[-6:]))
            self.say(kind="collect_error", id=report.nodeid, message=message)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items):
        if self.reverse:
            items.reverse()
        for item in items:
            proves = [str(a) for mark in item.iter_markers("proves") for a in mark.args]
            self.marks[item.nodeid] = proves
            self.say(kind="collected", id=item.nodeid, proves=proves)

    def pytest_runtest_logstart(self, nodeid):
        self.say(kind="started", id=nodeid)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item, call):
        report = yield
        if report.when == "call" or not report.passed:
            error = call.excinfo
            self.say(
                kind="outcome",
                id=item.nodeid,
                phase=report.when,
                outcome=report.outcome if not hasattr(report, "wasxfail") else "skipped",
                error=type(error.value).__name__ if error else "",
                message=describe(error.value) if error else "",
            )
        return report


class Drawing:
    """A plugin: only properties run, each on inputs that a seed draws for it, and their number is told."""

    def __init__(self, reporter, seed, cases):
        self.reporter, self.seed, self.cases = reporter, seed, cases

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items):
        items[:] = [i for i in items if getattr(getattr(i, "function", None), "is_hypothesis_test", False)]
        for item in items:
            drawn = item.function
            drawn._hypothesis_internal_use_seed = f"{self.seed}/{item.nodeid}"
            drawn._hypothesis_internal_use_settings = settings(
                drawn._hypothesis_internal_use_settings,
                max_examples=self.cases,
                derandomize=False,
                phases=[Phase.explicit, Phase.generate, Phase.shrink],
                suppress_health_check=list(HealthCheck),
            )

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item):
        found = []
        with collector.with_value(found.append):
            try:
                return (yield)
            finally:
                cases = [
                    c["status"] for f in found for c in f.get("generate-phase", {}).get("test-cases", ())
                ]
                ended = [f.get("stopped-because", "") for f in found]
                every = "nothing left to do" in ended
                self.reporter.say(kind="drawn", id=item.nodeid, cases=cases.count("valid"), every=every)


def describe(error):
    notes = [n for n in getattr(error, "__notes__", ()) if not n.startswith("You can reproduce")]
    return clean("\n".join([str(error), *notes]))


def clean(text):
    return ADDRESS.sub("0x…", text).strip()[:1500]


def settle(**more):
    """Make Hypothesis repeat itself from run to run."""
    usual = {"max_examples": 50, "suppress_health_check": [HealthCheck.too_slow]}
    settings.register_profile(
        "phoenix", derandomize=True, deadline=None, database=None, print_blob=False, **{**usual, **more}
    )
    settings.load_profile("phoenix")


def session(report, wanted, collect_only=False, drawing=None, reverse=False):
    """Run pytest over the wanted tests and report to a file; `drawing` is a seed and a number of inputs."""
    reporter = Reporter(report, reverse)
    plugins = [reporter, *([Drawing(reporter, *drawing)] if drawing else [])]
    options = ["-c", "/tests/judge.ini", "--rootdir=/tests", "--noconftest", "--basetemp=/tmp/pytest"]
    options += ["-p", "no:cacheprovider", "-q", "--tb=no", "-s" if collect_only else "--capture=fd"]
    options += ["--collect-only"] if collect_only else []
    code = pytest.main([*options, *wanted], plugins=plugins)
    reporter.say(kind="ended", code=int(code))


def main(argv):
    mode, paths, wanted = argv[0], argv[1].split(":"), argv[2:]
    sys.path[:0] = [p for p in paths if p]
    settle(**{"phases": UNEXPLAINED} if mode == "first" else {})  # on a stub every test is to fail
    session("/out/report.jsonl", wanted, collect_only=mode == "collect")


if __name__ == "__main__":
    main(sys.argv[1:])
