"""People who are logged in, as opposed to API keys."""

from dataclasses import dataclass
from uuid import UUID

from shared import errors
from shared.identity import Principal


@dataclass(frozen=True, slots=True)
class Person:
    """A logged-in person, in one organisation."""

    user_id: UUID
    session_id: UUID
    organization_id: UUID
    principal: Principal


def of(principal: Principal) -> Person:
    """The person behind a principal; raises Forbidden for API keys."""
    if principal.user_id is None or principal.session_id is None:
        raise errors.Forbidden("user-required", "An API key cannot do this; log in.")
    return Person(principal.user_id, principal.session_id, principal.organization_id, principal)
