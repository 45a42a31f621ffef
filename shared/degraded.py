"""What an answer had to do without: noted where it happens, told in `Floyo-Degraded`, counted."""

from contextvars import ContextVar
from typing import Any, Literal

from shared import metrics

Component = Literal["workflows", "revocations", "flags", "limits"]

HEADER = "Floyo-Degraded"
_SAYS = "Comma-separated components that this answer had to do without"
# For routes that may leave something out by themselves; the others tell it too, of what every request needs.
RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"headers": {HEADER: {"description": _SAYS, "schema": {"type": "string"}}}}
}
_missing: ContextVar[tuple[str, ...]] = ContextVar("missing", default=())


def note(component: Component) -> None:
    """The answer under way is given without a component, or by what was last known of it."""
    if component not in _missing.get():
        _missing.set((*_missing.get(), component))
        metrics.DEGRADED.labels(component).inc()


def noted() -> tuple[str, ...]:
    """The components in the order of their noting; usually none."""
    return _missing.get()
