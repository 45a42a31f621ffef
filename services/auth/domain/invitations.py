"""Invitations: a letter to one address, accepted once by the person who owns it."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.auth.domain import audit, letters, organizations
from services.auth.domain.context import Context
from services.auth.domain.emails import Address
from services.auth.domain.people import Person
from services.auth.storage import accounts, members
from services.auth.storage import invitations as rows
from services.auth.storage import organizations as organization_rows
from shared import clock, crypto, errors, ids
from shared.identity import Principal
from shared.policy import Role

LIFETIME = timedelta(days=7)


async def invite(
    context: Context, session: AsyncSession, person: Person, organization_id: UUID, email: Address, *, role: Role
) -> Any:
    """Writes to the address; only owners invite owners."""
    principal = person.principal
    organization = await organizations.find(session, principal, organization_id)
    if role == "owner" and not principal.may("organization:transfer"):
        raise errors.Forbidden("forbidden", "Only owners invite owners.")
    token, now, invitation_id = crypto.random_token(), clock.now(), ids.new()
    await rows.insert(
        session,
        id=invitation_id,
        organization_id=organization_id,
        email=email.text,
        email_key=email.key,
        role=role,
        digest=crypto.digest(token),
        invited_by=person.user_id,
        created_at=now,
        expires_at=now + LIFETIME,
    )
    await letters.send(
        context, session, "invite", email.text, path=f"/invitations#token={token}", organization=organization.name
    )
    await audit.record(session, organization_id, principal.subject, "invitation.created", str(invitation_id), role=role)
    return (await rows.page(session, organization_id, None, 1))[0]


async def page(
    session: AsyncSession, principal: Principal, organization_id: UUID, before: UUID | None, limit: int
) -> list[Any]:
    """Invitations of the caller's organisation, the newest first."""
    await organizations.find(session, principal, organization_id)
    return await rows.page(session, organization_id, before, limit)


async def withdraw(session: AsyncSession, principal: Principal, organization_id: UUID, invitation_id: UUID) -> None:
    """Makes a waiting invitation useless; NotFound."""
    await organizations.find(session, principal, organization_id)
    if not await rows.delete(session, organization_id, invitation_id):
        raise errors.NotFound()
    await audit.record(session, organization_id, principal.subject, "invitation.withdrawn", str(invitation_id))


async def accept(context: Context, person: Person, token: str) -> Any:
    """The organisation that the person belongs to from now on.

    Raises BadRequest `invalid-token`, Forbidden `other-address`, Conflict `invitation-used` or `already-member`.
    """
    async with context.database.system() as session:
        found = await rows.find_by_digest(session, crypto.digest(token))
        account = await accounts.find(session, person.user_id)
        if found is None or account is None:
            raise errors.BadRequest("invalid-token", "The invitation has expired, was withdrawn or is not ours.")
        if account.email_key != found.email_key:
            raise errors.Forbidden("other-address", "The invitation is for another address.")
        if found.accepted_at is not None:
            raise errors.Conflict("invitation-used", "The invitation was used already.")
        if found.expires_at <= clock.now():
            raise errors.BadRequest("invalid-token", "The invitation has expired, was withdrawn or is not ours.")
        await _join(session, person, found)
        return await organization_rows.find(session, found.organization_id)


async def _join(session: AsyncSession, person: Person, invitation: Any) -> None:
    now = clock.now()
    await organization_rows.find(session, invitation.organization_id, lock=True)
    added = await members.add(
        session,
        organization_id=invitation.organization_id,
        user_id=person.user_id,
        role=invitation.role,
        created_at=now,
    )
    if not added:
        raise errors.Conflict("already-member", "You belong to the organisation already.")
    await rows.accept(session, invitation.id, now)
    await accounts.update(session, person.user_id, verified_at=now)  # the letter reached its owner
    await audit.record(
        session, invitation.organization_id, person.principal.subject, "member.joined", str(person.user_id)
    )
