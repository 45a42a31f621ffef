"""An organisation with one person of each role, somebody from elsewhere, and nobody."""

import email
import email.policy
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from tests.e2e.person import Person, eventually
from tests.fixtures.stack import Stack

INVITED = ("admin", "member", "viewer")
ROLES = ("owner", *INVITED, "stranger", "anonymous")


@contextmanager
def founded(stack: Stack) -> "Iterator[Company]":
    """A company whose people's connections are closed afterwards."""
    with ExitStack() as closing:
        people = {}
        for role in ROLES:
            if role != "anonymous":
                people[role] = Person(stack.gateway)
                closing.callback(people[role].close)
        yield Company(stack, people)


class Company:
    """People of one organisation by role, all signed in there; `headers[role]` is what each sends."""

    def __init__(self, stack: Stack, people: dict[str, Person]) -> None:
        self._stack = stack
        self.people = people
        self.owner = people["owner"]
        self.organization_id = str(self.owner.pair["organization_id"])
        for role in INVITED:
            self._invite(people[role], role)
        self.headers = {role: {"Authorization": one.http.headers["Authorization"]} for role, one in people.items()}
        self.headers["anonymous"] = {}

    def _invite(self, person: Person, role: str) -> None:
        path = f"/organizations/{self.organization_id}/invitations"
        self.owner.ok("POST", path, 201, json={"email": person.email, "role": role})
        token = eventually(lambda: self._token(person.email, "invited"))
        person.ok("POST", "/organizations/invitations/accept", json={"token": token})
        person.pair = person.ok("POST", "/auth/switch", json={"organization_id": self.organization_id})
        person.http.headers["Authorization"] = f"Bearer {person.pair['access_token']}"

    def _token(self, recipient: str, word: str) -> str | None:
        for raw in self._stack.mails(recipient):
            message: Any = email.message_from_string(raw, policy=email.policy.default)
            text = message.get_content()
            if word in text and (found := re.search(r"token=([\w-]+)", text)):
                return found[1]
        return None
