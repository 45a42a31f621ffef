"""Organisations: what people belong to and everything else belongs to."""

from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.auth import messages
from services.auth.domain import audit, revocations
from services.auth.domain.context import Context
from services.auth.domain.people import Person
from services.auth.storage import members
from services.auth.storage import messages as box
from services.auth.storage import organizations as rows
from shared import clock, errors, ids
from shared.identity import Principal


async def list_visible(context: Context, principal: Principal) -> list[Any]:
    """Every organisation of a person with the role there; of an API key its own."""
    if principal.user_id is None:
        async with context.database.session(principal.organization_id) as session:
            return [await find(session, principal, principal.organization_id)]
    async with context.database.system() as session:
        return await rows.list_of_user(session, principal.user_id)


async def create(context: Context, person: Person, name: str) -> Any:
    """A further organisation, owned by the person who makes it."""
    now, organization_id = clock.now(), ids.new()
    async with context.database.system() as session:
        await rows.insert(session, id=organization_id, name=name, personal=False, created_at=now)
        await members.add(
            session, organization_id=organization_id, user_id=person.user_id, role="owner", created_at=now
        )
        await audit.record(
            session, organization_id, person.principal.subject, "organization.created", str(organization_id)
        )
        return await rows.find(session, organization_id)


async def find(session: AsyncSession, principal: Principal, organization_id: UUID, *, lock: bool = False) -> Any:
    """The caller's organisation; NotFound for any other, whatever the caller is there."""
    own = organization_id == principal.organization_id
    found = await rows.find(session, organization_id, lock=lock) if own else None
    if found is None:
        raise errors.NotFound()
    return found


async def rename(session: AsyncSession, principal: Principal, organization_id: UUID, name: str) -> Any:
    """Changes the name; the organisation as it is then."""
    await find(session, principal, organization_id, lock=True)
    await rows.update(session, organization_id, name=name)
    await audit.record(session, organization_id, principal.subject, "organization.renamed", str(organization_id))
    return await rows.find(session, organization_id)


async def delete(session: AsyncSession, principal: Principal, organization_id: UUID) -> None:
    """Ends an organisation in every service; a personal one ends with its person alone."""
    found = await find(session, principal, organization_id, lock=True)
    if found.personal:
        raise errors.Conflict("personal-organization", "A personal organisation ends with the account.")
    await erase(session, principal.subject, organization_id)
    await revocations.revoke(session, "organization", organization_id)


async def erase(session: AsyncSession, actor: str, organization_id: UUID) -> None:
    """Removes an organisation here and tells every service to; the caller revokes what was issued for it."""
    await rows.delete(session, organization_id)
    await audit.record(session, organization_id, actor, "organization.deleted", str(organization_id))
    message = messages.OrganizationDeleted(organization_id=organization_id)
    await box.publish(session, message, messages.READERS, str(organization_id))


async def set_active(context: Context, admin: Principal, organization_id: UUID, *, active: bool) -> None:
    """Switches an organisation on or off, for platform administrators; NotFound."""
    async with context.database.system() as session:
        if await rows.find(session, organization_id, lock=True) is None:
            raise errors.NotFound()
        await rows.update(session, organization_id, disabled_at=None if active else clock.now())
        action = "organization.enabled" if active else "organization.disabled"
        await audit.record(session, organization_id, admin.subject, action, str(organization_id))
        if not active:
            await revocations.revoke(session, "organization", organization_id)
