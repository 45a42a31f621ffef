"""JSON logs, one line an entry, with the trace id and without secrets."""

import logging
import re
import sys
from typing import Any

import orjson
import structlog
from structlog.tracebacks import ExceptionDictTransformer

from shared import tracing

_SECRET_NAMES = re.compile(
    r"password|secret|token|authorization|cookie|api_?key|credential|private|totp|recovery", re.IGNORECASE
)
_SECRET_VALUES = re.compile(
    r"(floyo_[\w-]{8})[\w-]+|(eyJ[\w-]+\.[\w-]+)\.[\w-]+|://([^:/@\s]+):[^@\s]+@"
    r"|(?<=[?&])[\w-]*(?:token|secret|password|key)[\w-]*=[^&\s\"']+",
    re.IGNORECASE,
)
REDACTED = "[redacted]"


def configure(service: str, instance: str, level: str = "INFO") -> None:
    """Sends structlog's and the standard library's records to stderr as JSON lines."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _add_origin(service, instance),
            # Without locals: they hold headers, bodies and passwords.
            structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False)),
            redact,
            structlog.processors.JSONRenderer(serializer=_dumps),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    root = logging.getLogger()
    root.handlers = [_StructlogHandler()]
    root.setLevel(logging.WARNING)


def get(name: str) -> Any:
    """A structured logger: `log.info("run-started", run_id=…)`."""
    return structlog.get_logger(module=name)


def redact(_logger: Any, _method: str, event: Any) -> Any:
    """Replaces values of secret-looking names and secret-looking parts of strings, at any depth."""
    return {key: _clean(key, value) for key, value in event.items()}


def _clean(key: str, value: Any) -> Any:
    if isinstance(key, str) and _SECRET_NAMES.search(key) and value is not None:
        return REDACTED
    if isinstance(value, str):
        return _SECRET_VALUES.sub(REDACTED, value)
    if isinstance(value, dict):
        return {name: _clean(name, item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean("", item) for item in value]
    return value


def _add_origin(service: str, instance: str) -> Any:
    def add(_logger: Any, _method: str, event: Any) -> Any:
        return {**event, "service": service, "instance": instance, "trace_id": tracing.trace_id()}

    return add


def _dumps(value: Any, **_options: Any) -> str:
    return orjson.dumps(value, default=str).decode()


class _StructlogHandler(logging.Handler):
    """Passes records of libraries that use the standard library's logging."""

    def emit(self, record: logging.LogRecord) -> None:
        method = record.levelname.lower() if record.levelname != "CRITICAL" else "error"
        getattr(get(record.name), method)(record.getMessage(), exc_info=record.exc_info)
