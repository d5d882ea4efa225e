import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from services import secrets, telemetry
from services.secrets import redact
from services.settings import Settings

KEY = "sk-abc'123\"xyz"
PASSWORD = "p@ss/w0rd%"


@pytest.fixture(autouse=True)
def _undo() -> Iterator[None]:
    root = logging.getLogger()
    before = (list(root.handlers), root.level)
    yield
    root.handlers[:], root.level = before
    structlog.reset_defaults()
    secrets._known.clear()


def configured(log_format: str = "json", level: str = "INFO") -> Settings:
    settings = Settings.model_validate(
        {
            "OPENAI_API_KEY": KEY,
            "DATABASE_URL": "postgresql://me:p%40ss%2Fw0rd%25@db:5432/phoenix",
            "PHOENIX_LOG_FORMAT": log_format,
            "LOG_LEVEL": level,
        }
    )
    telemetry.configure(settings)
    return settings


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_a_line_is_one_json_object_with_the_names_bound_around_it(capsys: pytest.CaptureFixture[str]) -> None:
    configured()
    with telemetry.bound(run="r1", project="p", item=None):
        telemetry.logger().info("stage left", outcome="done", cost=1.5)
    telemetry.logger().info("after")
    first, second = lines(capsys)
    assert {k: first[k] for k in ("event", "level", "run", "project", "outcome", "cost")} == {
        "event": "stage left",
        "level": "info",
        "run": "r1",
        "project": "p",
        "outcome": "done",
        "cost": 1.5,
    }
    assert "item" not in first
    assert "run" not in second


def test_stdout_stays_empty(capsys: pytest.CaptureFixture[str]) -> None:
    configured("console")
    telemetry.logger().warning("hello")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "hello" in captured.err


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_no_secret_is_written_whatever_it_is_inside_of(
    log_format: str, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = configured(log_format)
    log = telemetry.logger()
    log.warning(f"message {KEY}", value=KEY, deep={"a": [KEY, {"b": PASSWORD}], KEY: 1}, settings=settings)
    log.warning("url", url="postgresql://me:p%40ss%2Fw0rd%25@db/x", other="redis://:hunter2@cache:6379/0")
    logging.getLogger("some.library").error("failed with %s and %s", KEY, {"password": PASSWORD})
    inner = ValueError(f"bad key {KEY}")
    try:
        raise RuntimeError(f"cannot log in with {PASSWORD}") from inner
    except RuntimeError:
        log.exception("broke")
    written = capsys.readouterr().err
    assert "cannot log in with ***" in written
    assert "bad key ***" in written
    for part in ("sk-abc", "w0rd", "hunter2"):
        assert part not in written


def test_a_traceback_shows_no_local_variables(capsys: pytest.CaptureFixture[str]) -> None:
    configured("console")
    private = "seen-by-nobody"
    try:
        raise KeyError(len(private))
    except KeyError:
        telemetry.logger().exception("broke")
    assert "seen-by-nobody'" not in capsys.readouterr().err.replace('private = "seen-by-nobody"', "")


def test_libraries_speak_from_warning_on_and_we_from_the_set_level(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configured(level="DEBUG")
    logging.getLogger("httpx").info("GET /")
    logging.getLogger("httpx").warning("slow")
    telemetry.logger().debug("detail")
    assert [line["event"] for line in lines(capsys)] == ["slow", "detail"]


def test_configuring_twice_writes_every_line_once(capsys: pytest.CaptureFixture[str]) -> None:
    configured()
    configured()
    telemetry.logger().info("once")
    assert len(lines(capsys)) == 1


def test_a_password_equal_to_its_user_or_very_short_does_not_eat_ordinary_words() -> None:
    secrets.remember_secrets(
        Settings.model_validate(
            {"DATABASE_URL": "postgresql://postgres:postgres@h/x", "OPENAI_API_KEY": "abc"}
        )
    )
    assert redact("postgres says abc") == "postgres says abc"
    assert redact("see postgresql://postgres:postgres@h/x") == "see postgresql://postgres:***@h/x"


def test_a_url_without_a_password_stays_readable() -> None:
    assert redact("at http://127.0.0.1:4200/api by me@example.org") == (
        "at http://127.0.0.1:4200/api by me@example.org"
    )
