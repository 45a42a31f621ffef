"""Messages: facts that cross services, past tense and versioned, applied once by each reader."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

SERVICES = ("auth", "events", "workflows", "integrations")


class Message(BaseModel):
    """A published fact; subclasses name their type, such as `workflow.run_finished`, and version."""

    model_config = ConfigDict(frozen=True)

    type: ClassVar[str]
    version: ClassVar[int] = 1


class Reading(BaseModel):
    """A reader's own view of a message: only the fields it needs, the others ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


@dataclass(frozen=True, slots=True)
class Handler:
    """What a service does with one type of message, in one transaction with the inbox; `part` is a third argument."""

    reading: type[Reading]
    apply: Callable[..., Awaitable[None]]
    part: type[Any] | None = None
