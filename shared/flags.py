"""Feature flags: defined here, overridden in auth's database, decided in each process within seconds of a change."""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any
from uuid import UUID

from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import FlagNotFoundError, TypeMismatchError
from openfeature.flag_evaluation import FlagResolutionDetails, Reason
from openfeature.provider import AbstractProvider, Metadata

from shared import errors, log, metrics

if TYPE_CHECKING:
    from shared.service import Service

POLL_SECONDS = 2.0
STALE_SECONDS = 5.0
BUCKETS = 10_000

_log = log.get(__name__)


@dataclass(frozen=True, slots=True)
class Flag:
    """A switch in the code and what it is without an override; a percentage is one of organisations or of people."""

    name: str
    description: str
    default: bool = True
    by_user: bool = False


REGISTRATION = Flag("registration", "Whether strangers may register.")
INGEST_FAST = Flag("ingest-fast", "Whether plain events take the quick way in, and share commits.")
PEER_HABITS = Flag("peer-habits", "Whether likely next actions draw on colleagues' habits too.", by_user=True)
NEXT_ACTION_RANK = Flag(
    "next-action-rank", "Whether suggestions for what a person is likely to do next come first.", by_user=True
)
RUN_GROUP_COMMIT = Flag("run-group-commit", "Whether the progress of many runs is stored in one transaction.")
FLAGS: Mapping[str, Flag] = {
    flag.name: flag for flag in (REGISTRATION, INGEST_FAST, PEER_HABITS, NEXT_ACTION_RANK, RUN_GROUP_COMMIT)
}


@dataclass(frozen=True, slots=True)
class Override:
    """What administrators set: off for all, or on for the listed and for a percentage of the others."""

    enabled: bool
    percentage: int
    organizations: frozenset[str]
    users: frozenset[str]

    def decide(self, flag: Flag, organization_id: str | None, user_id: str | None) -> bool:
        """The decision for one caller; the share of a percentage is the same in every process and at every time."""
        if not self.enabled:
            return False
        if organization_id in self.organizations or user_id in self.users:
            return True
        first, second = (user_id, organization_id) if flag.by_user else (organization_id, user_id)
        return bucket(flag.name, first or second or "") < self.percentage * BUCKETS // 100


def bucket(name: str, subject: str) -> int:
    """0 to 9,999: the place of an organisation or a person in the roll-out of a flag."""
    return int.from_bytes(hashlib.sha256(f"{name}:{subject}".encode()).digest()[:8]) % BUCKETS


@cache
def _decisions(flag: str, decision: bool) -> Any:
    return metrics.FLAGS.labels(flag, str(decision).lower())


class Flags:
    """The decisions of one process."""

    def __init__(self, fetch: Callable[[], Awaitable[Sequence[Mapping[str, Any]]]]) -> None:
        self._fetch = fetch
        self._overrides: dict[str, Override] = {}
        self._read_at = time.monotonic()

    @property
    def stale(self) -> bool:
        """Whether the overrides have not been read for longer than a change may take."""
        return time.monotonic() - self._read_at > STALE_SECONDS

    def enabled(self, flag: Flag, *, organization_id: UUID | None = None, user_id: UUID | None = None) -> bool:
        """Whether the flag is on for a caller; counted."""
        found = self._overrides.get(flag.name)
        decision = flag.default
        if found is not None:
            organization, user = (str(value) if value else None for value in (organization_id, user_id))
            decision = found.decide(flag, organization, user)
        _decisions(flag.name, decision).inc()
        return decision

    async def load(self) -> None:
        """Reads the overrides once."""
        self._overrides = {
            item["name"]: Override(
                item["enabled"], item["percentage"], frozenset(item["organizations"]), frozenset(item["users"])
            )
            for item in await self._fetch()
        }
        for name, flag in FLAGS.items():
            found = self._overrides.get(name)
            metrics.FLAG_STATE.labels(name).set(found.enabled if found else flag.default)
        self._read_at = time.monotonic()

    async def follow(self) -> None:
        """Reads the overrides for ever; what was last read holds while auth is away."""
        while True:
            try:
                await self.load()
            except errors.FloyoError as error:
                _log.warning("flags-not-read", problem=error.slug)
            await asyncio.sleep(POLL_SECONDS)


class FloyoProvider(AbstractProvider):
    """The flags for code that speaks OpenFeature; attributes `organization_id` and `user_id` say for whom."""

    def __init__(self, flags: Flags) -> None:
        super().__init__()
        self._flags = flags

    def get_metadata(self) -> Metadata:
        """Its name."""
        return Metadata(name="floyo")

    def resolve_boolean_details(
        self, flag_key: str, default_value: bool, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[bool]:
        """The decision, or FLAG_NOT_FOUND."""
        if flag_key not in FLAGS:
            raise FlagNotFoundError(f"{flag_key}; without a definition the default is {default_value}")
        given = dict(evaluation_context.attributes) if evaluation_context else {}
        subject = {name: UUID(str(given[name])) for name in ("organization_id", "user_id") if given.get(name)}
        return FlagResolutionDetails(self._flags.enabled(FLAGS[flag_key], **subject), reason=Reason.TARGETING_MATCH)

    def _no_other_type(self, flag_key: str, *_: Any) -> Any:
        raise TypeMismatchError(f"{flag_key} is a boolean flag")

    resolve_string_details: Any = _no_other_type
    resolve_integer_details: Any = _no_other_type
    resolve_float_details: Any = _no_other_type
    resolve_object_details: Any = _no_other_type


def attach(service: "Service", fetch: Callable[[], Awaitable[Sequence[Mapping[str, Any]]]] | None = None) -> None:
    """Gives a process its flags, found with `service.part(Flags)`, and keeps them fresh."""

    async def ask_auth() -> Sequence[Mapping[str, Any]]:
        answer = await service.siblings.call("auth", "GET", "/internal/flags")
        items: Sequence[Mapping[str, Any]] = answer["items"]
        return items

    flags = Flags(fetch or ask_auth)
    service.attach(flags)
    service.start(follow_flags)


async def follow_flags(service: "Service") -> None:
    """The loop of `attach`."""
    await service.part(Flags).follow()
