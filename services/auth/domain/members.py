"""Members: who belongs to an organisation with which role; the last owner stays, whatever races."""

from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.auth.domain import audit, organizations, revocations
from services.auth.storage import members as rows
from shared import errors
from shared.identity import Principal
from shared.policy import PERMISSIONS, Role


async def page(
    session: AsyncSession, principal: Principal, organization_id: UUID, after: UUID | None, limit: int
) -> list[Any]:
    """Members of the caller's organisation."""
    await organizations.find(session, principal, organization_id)
    return await rows.page(session, organization_id, after, limit)


async def change_role(
    session: AsyncSession, principal: Principal, organization_id: UUID, user_id: UUID, role: Role
) -> Any:
    """Gives a member another role; only owners make and unmake owners."""
    member = await _locked(session, principal, organization_id, user_id)
    if member.role == role:
        return member
    await _keep_an_owner(session, organization_id, user_id, role)
    await _check_rank(session, principal, organization_id, {member.role, role})
    await rows.set_role(session, organization_id, user_id, role)
    await audit.record(
        session, organization_id, principal.subject, "member.role_changed", str(user_id), role=role, was=member.role
    )
    await revocations.change_role(session, organization_id, user_id, role)
    return await rows.find(session, organization_id, user_id)


async def remove(session: AsyncSession, principal: Principal, organization_id: UUID, user_id: UUID) -> None:
    """Takes somebody out, or lets the caller leave."""
    member = await _locked(session, principal, organization_id, user_id)
    await _keep_an_owner(session, organization_id, user_id, None)
    if user_id != principal.user_id:
        await _check_rank(session, principal, organization_id, {member.role})
    await rows.remove(session, organization_id, user_id)
    await audit.record(session, organization_id, principal.subject, "member.removed", str(user_id))
    await revocations.revoke(session, "member", revocations.member_key(organization_id, user_id))


async def transfer(session: AsyncSession, principal: Principal, organization_id: UUID, user_id: UUID) -> None:
    """Makes another member owner, and the caller an administrator."""
    if principal.user_id is None or principal.user_id == user_id:
        raise errors.invalid_field("/user_id", "Name another member.")
    await _locked(session, principal, organization_id, user_id)
    await _check_rank(session, principal, organization_id, {"owner"})
    await rows.set_role(session, organization_id, user_id, "owner")
    await rows.set_role(session, organization_id, principal.user_id, "admin")
    await audit.record(session, organization_id, principal.subject, "organization.transferred", str(user_id))
    await revocations.change_role(session, organization_id, user_id, "owner")
    await revocations.change_role(session, organization_id, principal.user_id, "admin")


async def _locked(session: AsyncSession, principal: Principal, organization_id: UUID, user_id: UUID) -> Any:
    """The member, while nobody else changes members of the organisation."""
    await organizations.find(session, principal, organization_id, lock=True)
    member = await rows.find(session, organization_id, user_id)
    if member is None:
        raise errors.NotFound()
    return member


async def _keep_an_owner(session: AsyncSession, organization_id: UUID, user_id: UUID, role: Role | None) -> None:
    if role != "owner" and await rows.owners(session, organization_id) == {user_id}:
        raise errors.Conflict("last-owner", "The organisation needs an owner; transfer it first.")


async def _check_rank(session: AsyncSession, principal: Principal, organization_id: UUID, roles: set[str]) -> None:
    """The caller's role as it is now, under the lock, not as the token says."""
    actor = await rows.find(session, organization_id, principal.user_id) if principal.user_id else None
    held = PERMISSIONS[actor.role] if actor else frozenset()
    needed = {"organization:transfer"} if "owner" in roles else {"members:write"}
    if not needed <= held:
        raise errors.Forbidden("forbidden", "Your role does not reach that far.")
