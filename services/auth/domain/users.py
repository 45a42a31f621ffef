"""What people do with their own account, and what the platform may do with it."""

from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.auth import messages
from services.auth.domain import audit, letters, links, logins, organizations, revocations, sessions
from services.auth.domain.context import Context
from services.auth.domain.emails import Address
from services.auth.domain.people import Person
from services.auth.storage import accounts as rows
from services.auth.storage import erasure, members
from services.auth.storage import messages as box
from services.auth.storage import organizations as organization_rows
from shared import clock, errors
from shared.identity import Principal


async def me(context: Context, person: Person) -> Any:
    """The account behind a session."""
    async with context.database.system() as session:
        found = await rows.find(session, person.user_id)
    if found is None:
        raise errors.Unauthorized("invalid-token", "The account is gone.")
    return found


async def confirm(context: Context, person: Person, password: str) -> Any:
    """The account, once its password was given again; wrong ones count as at a login."""
    account = await me(context, person)
    return await logins.prove(context, account.email_key, account, logins.Proof(password, known=person.principal))


async def rename(context: Context, person: Person, name: str) -> None:
    """Changes the name that others see."""
    async with context.database.system() as session:
        await rows.update(session, person.user_id, name=name)


async def change_password(context: Context, person: Person, current: str, new: str) -> None:
    """Puts a new password in the place of the current one, and ends every other session."""
    account = await confirm(context, person, current)
    password_hash = await context.passwords.hash(new)
    async with context.database.system() as session:
        await set_password(context, session, account, password_hash, keep=person.session_id)


async def set_password(
    context: Context, session: AsyncSession, account: Any, password_hash: str, *, keep: UUID | None = None
) -> None:
    """Stores a hash, tells the owner, and ends the sessions that the old password opened."""
    await rows.update(session, account.id, password_hash=password_hash)
    await letters.send(context, session, "changed", account.email, path="/login", what="the password")
    await audit.note(session, account.id, "password.changed")
    await sessions.close(session, account.id, reason="password-changed", but=keep)


async def ask_change_of_address(context: Context, person: Person, email: Address, password: str) -> None:
    """Writes to the new address; it counts once its owner has opened the link. The old address hears of it."""
    account = await confirm(context, person, password)
    async with context.database.system() as session:
        token = await links.make(session, "change", account.id, email, session_id=person.session_id)
        await letters.send(context, session, "change", email.text, path=f"/verify-email#token={token}")
        await letters.send(context, session, "changed", account.email, path="/login", what="the address, once verified")
        await audit.note(session, account.id, "email.change_requested")


async def set_active(context: Context, admin: Principal, user_id: UUID, *, active: bool) -> None:
    """Switches a person on or off, for platform administrators; NotFound."""
    async with context.database.system() as session:
        if await rows.find(session, user_id, lock=True) is None:
            raise errors.NotFound()
        await rows.update(session, user_id, disabled_at=None if active else clock.now())
        action = "user.enabled" if active else "user.disabled"
        await audit.record(session, admin.organization_id, admin.subject, action, str(user_id))
        if not active:
            await sessions.close(session, user_id, reason="switched-off")
            await revocations.revoke(session, "user", user_id)


async def delete(context: Context, person: Person) -> None:
    """Erases the person here and in every service, with every organisation of which nobody else is a member.

    Conflict `last-owner` when others would be left in an organisation without an owner.
    """
    async with context.database.system() as session:
        account = await rows.find(session, person.user_id, lock=True)
        if account is None:
            raise errors.NotFound()
        found = await organization_rows.list_all_of_user(session, person.user_id)
        ended = [row.id for row in found if await _leave(session, person, row.id)]
        left = [row.id for row in found if row.id not in ended]
        await audit.record(session, audit.PLATFORM, person.principal.subject, "account.deleted", str(person.user_id))
        await rows.delete(session, person.user_id)
        await erasure.forget(session, person.user_id, account.email_key)
        message = messages.UserDeleted(user_id=person.user_id, organization_ids=left)
        await box.publish(session, message, messages.READERS, str(person.user_id))
        await revocations.revoke(session, "user", person.user_id)
        await revocations.revoke(session, "organization", *ended)


async def _leave(session: AsyncSession, person: Person, organization_id: UUID) -> bool:
    """Takes the person out of an organisation; True when it ended with that."""
    await organization_rows.find(session, organization_id, lock=True)
    if await members.count(session, organization_id) == 1:
        await organizations.erase(session, person.principal.subject, organization_id)
        return True
    if await members.owners(session, organization_id) == {person.user_id}:
        raise errors.Conflict("last-owner", "Others belong to an organisation that only you own; transfer it first.")
    await members.remove(session, organization_id, person.user_id)
    await audit.record(session, organization_id, person.principal.subject, "member.left", str(person.user_id))
    return False


async def export(context: Context, person: Person) -> dict[str, Any]:
    """{account, organizations, sessions}: what auth knows about the person, but for the audit log."""
    account = await me(context, person)
    async with context.database.system() as session:
        joined = await organization_rows.list_all_of_user(session, person.user_id)
    open_sessions = await sessions.list_open(context, person.user_id)
    known = ("id", "email", "name", "platform_admin", "totp_enabled_at", "verified_at", "created_at")
    return {
        "account": {name: getattr(account, name) for name in known},
        "organizations": [{"id": row.id, "name": row.name, "role": row.role} for row in joined],
        "sessions": [row._asdict() for row in open_sessions],
    }
