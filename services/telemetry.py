"""Logging to stderr: lines for people or JSON, with the run they belong to and without secrets."""

import logging
import sys
from contextlib import AbstractContextManager
from typing import cast

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from services.secrets import redact_all, remember_secrets
from services.settings import Settings

NAME = "phoenix"


class ToStderr(logging.Handler):
    """Writes to whatever sys.stderr is at that moment, so that a progress bar may stand in for it."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            sys.stderr.write(self.format(record) + "\n")
            sys.stderr.flush()
        except (OSError, ValueError):
            self.handleError(record)


def configure(settings: Settings) -> None:
    """Set up logging of this process; libraries speak from WARNING on. Call it before importing prefect."""
    remember_secrets(settings)
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso" if settings.log_format == "json" else "%H:%M:%S"),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=_logger,
        cache_logger_on_first_use=False,
    )
    handler = ToStderr()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                _redacted,
                _renderer(settings),
            ],
        )
    )
    root = logging.getLogger()
    for old in [h for h in root.handlers if isinstance(h, ToStderr)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger(NAME).setLevel(settings.log_level)


def logger() -> structlog.stdlib.BoundLogger:
    """The logger of Phoenix: `logger().info("event", key=value)`."""
    return cast(structlog.stdlib.BoundLogger, structlog.get_logger())


def bound(**names: str | None) -> AbstractContextManager[None]:
    """Within this context every line names the given run, project, stage and item."""
    return structlog.contextvars.bound_contextvars(**{k: v for k, v in names.items() if v is not None})


def _logger(*_: object) -> logging.Logger:
    return logging.getLogger(NAME)


def _redacted(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    return {key: redact_all(value) for key, value in event.items()}


def _renderer(settings: Settings) -> Processor:
    if settings.log_format == "json":
        return structlog.processors.JSONRenderer(ensure_ascii=False)
    return structlog.dev.ConsoleRenderer(
        sort_keys=False, colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
    )
