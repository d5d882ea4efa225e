"""A pytest plugin (`-p tests.noskip`): a skipped or expected failure fails the session and is named."""

import pytest

_found: list[str] = []


def pytest_configure() -> None:
    _found.clear()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    _note(report)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    _note(report)


def pytest_sessionfinish(session: pytest.Session) -> None:
    if _found and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for line in _found:
        terminalreporter.write_line(f"NOT RUN {line}: a skip or xfail is not a pass", red=True)


def _note(report: pytest.TestReport | pytest.CollectReport) -> None:
    if report.skipped or hasattr(report, "wasxfail"):
        _found.append(report.nodeid)
