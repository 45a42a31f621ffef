"""The Python client of Floyo and its command line: `with Floyo.from_environment() as floyo: floyo.events.post(…)`."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from client.api import Floyo as Floyo
    from client.problems import FloyoProblem as FloyoProblem
    from client.problems import Unreachable as Unreachable

__all__ = ["Floyo", "FloyoProblem", "Unreachable"]


def __getattr__(name: str) -> Any:
    """The public names, imported when first asked for: `floyo track` must not wait for an HTTP client."""
    if name == "Floyo":
        from client.api import Floyo

        return Floyo
    if name in __all__:
        from client import problems

        return getattr(problems, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
