"""Everything that Floyo knows about a person, over all services: one JSON document that is never whole in memory."""

from collections.abc import AsyncIterator
from typing import Any

import orjson

from services.auth.clients import people
from services.auth.domain import audit, users
from services.auth.domain.context import Context
from services.auth.domain.people import Person
from services.auth.storage import audit as audit_rows
from shared.httpclient import Siblings

SIBLINGS = ("events", "workflows", "integrations")
PAGE = 1_000
Pages = AsyncIterator[list[Any]]


async def write(context: Context, siblings: Siblings, person: Person) -> AsyncIterator[bytes]:
    """The document in pieces; every service has answered before the first one is made, or Unavailable rises."""
    known = await users.export(context, person)
    joined = [row["id"] for row in known["organizations"]]
    parts: dict[str, Pages] = {"activity": _activity(context, person)}
    parts |= {name: people.pages(siblings, name, person.user_id, joined) for name in SIBLINGS}
    begun = {name: await anext(part, []) for name, part in parts.items()}
    async with context.database.system() as session:
        await audit.note(session, person.user_id, "account.exported")
    return _join(known, parts, begun)


async def _join(known: dict[str, Any], parts: dict[str, Pages], begun: dict[str, list[Any]]) -> AsyncIterator[bytes]:
    yield _dump(known)[:-1]
    for name, part in parts.items():
        yield f',"{name}":['.encode()
        separator = b""
        page: list[Any] | None = begun[name]
        while page is not None:
            for item in page:
                yield separator + _dump(item)
                separator = b","
            page = await anext(part, None)
        yield b"]"
    yield b"}"


async def _activity(context: Context, person: Person) -> Pages:
    """What the audit log holds of the person, the newest first."""
    before = None
    while True:
        async with context.database.system() as session:
            rows = await audit_rows.list_by_actor(session, person.principal.subject, before, PAGE)
        yield [row._asdict() for row in rows]
        if len(rows) < PAGE:
            return
        before = rows[-1].id


def _dump(value: Any) -> bytes:
    return orjson.dumps(value, default=str, option=orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS)
