"""Accounts: registered with one answer for known and unknown addresses, each with an organisation of its own."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.auth.domain import apikeys, audit, letters, links, sessions, users
from services.auth.domain.context import Context
from services.auth.domain.emails import Address
from services.auth.storage import accounts as rows
from services.auth.storage import members, organizations
from shared import clock, errors, ids
from shared.ratelimit import Limit

LETTERS = Limit("letters", quota=5, seconds=3_600)
EVEN_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Registration:
    """What a person gives to get an account; the password is checked already."""

    email: Address
    password: str
    name: str | None = None
    platform_admin: bool = False
    verified: bool = False


async def register(context: Context, registration: Registration) -> None:
    """Makes the account, or tells the owner of the address that there is one; the caller cannot see which."""
    password_hash = await context.passwords.hash(registration.password)
    async with _even():
        may_write = await _may_write(context, registration.email)
        async with context.database.system() as session:
            made = await make(session, registration, password_hash)
            if made is None and may_write:
                await _write_to_known(context, session, registration.email)
            elif made is not None and may_write:
                await _send_verification(context, session, made[0], registration.email)


async def make(session: AsyncSession, registration: Registration, password_hash: str) -> tuple[UUID, UUID] | None:
    """Inserts person, personal organisation and ownership; (user id, organisation id), or None for a known address."""
    now, user_id, organization_id = clock.now(), ids.new(), ids.new()
    email = registration.email
    inserted = await rows.insert_new(
        session,
        id=user_id,
        email=email.text,
        email_key=email.key,
        name=registration.name,
        password_hash=password_hash,
        platform_admin=registration.platform_admin,
        verified_at=now if registration.verified else None,
        created_at=now,
    )
    if not inserted:
        return None
    name = registration.name or email.text.partition("@")[0]
    await organizations.insert(session, id=organization_id, name=name, personal=True, created_at=now)
    await members.add(session, organization_id=organization_id, user_id=user_id, role="owner", created_at=now)
    await audit.record(
        session, organization_id, audit.user(user_id), "account.registered", str(user_id),
        platform_admin=registration.platform_admin,
    )  # fmt: skip
    return user_id, organization_id


async def resend_verification(context: Context, email: Address) -> None:
    """Sends the verifying link again, if there is somebody to verify."""
    async with _even():
        may_write = await _may_write(context, email)
        async with context.database.system() as session:
            account = await rows.find_by_email(session, email.key)
            if may_write and account is not None and account.verified_at is None:
                await _send_verification(context, session, account.id, email)


async def verify(context: Context, token: str) -> None:
    """Marks the address of a link as verified; the link of a change of address puts the new one in place.

    With it every session ends but the one that asked for the change.
    """
    async with context.database.system() as session:
        found = await links.take(session, token, "verify", "change")
        account = await rows.find(session, found.user_id, lock=True)
        changes = found.purpose == "change"
        if account is None or not (changes or account.email_key == found.email_key):
            raise links.useless()
        if changes and not await rows.change_email(session, account.id, found.email, found.email_key):
            raise errors.Conflict("email-taken", "Another account uses the address by now.")
        await rows.update(session, account.id, verified_at=clock.now())
        await audit.note(session, account.id, "email.changed" if changes else "email.verified")
        if changes:
            await sessions.close(session, account.id, reason="email-changed", but=found.session_id)


async def forgot_password(context: Context, email: Address) -> None:
    """Writes a link to the owner of the address, if there is one; the caller cannot see which."""
    async with _even():
        may_write = await _may_write(context, email)
        async with context.database.system() as session:
            account = await rows.find_by_email(session, email.key)
            if may_write and account is not None and account.disabled_at is None:
                token = await links.make(session, "reset", account.id, Address(account.email, account.email_key))
                await letters.send(context, session, "reset", account.email, path=f"/reset-password#token={token}")
                await audit.note(session, account.id, "password.reset_requested")


async def reset_password(context: Context, token: str, password: str) -> None:
    """Sets a new password by a link, ends every session, and counts the address as verified."""
    password_hash = await context.passwords.hash(password)
    async with context.database.system() as session:
        found = await links.take(session, token, "reset")
        account = await rows.find(session, found.user_id, lock=True)
        if account is None or account.email_key != found.email_key:
            raise links.useless()
        await rows.update(session, account.id, verified_at=account.verified_at or clock.now())
        await users.set_password(context, session, account, password_hash)


@asynccontextmanager
async def _even() -> AsyncIterator[None]:
    """Takes a fixed time unless the work inside takes longer, so that its length says nothing about an address."""
    began = time.monotonic()
    yield
    await asyncio.sleep(EVEN_SECONDS - (time.monotonic() - began))


async def _may_write(context: Context, email: Address) -> bool:
    """Five letters an hour that strangers can cause; more are not sent, and nobody is told."""
    try:
        await context.limiter.take(LETTERS, email.key)
    except errors.TooManyRequests:
        return False
    return True


async def _send_verification(context: Context, session: AsyncSession, user_id: UUID, email: Address) -> None:
    token = await links.make(session, "verify", user_id, email)
    await letters.send(context, session, "verify", email.text, path=f"/verify-email#token={token}")


async def _write_to_known(context: Context, session: AsyncSession, email: Address) -> None:
    account: Any = await rows.find_by_email(session, email.key)
    if account.verified_at is None:
        await _send_verification(context, session, account.id, Address(account.email, account.email_key))
    else:
        await letters.send(context, session, "known", account.email, path="/login")


async def create(context: Context, registration: Registration) -> tuple[UUID, UUID, str]:
    """A user as the operator makes one: (user id, organisation id, API key); Conflict for a known address."""
    password_hash = await context.passwords.hash(registration.password)
    async with context.database.system() as session:
        made = await make(session, registration, password_hash)
        if made is None:
            raise errors.Conflict("email-taken", "There is an account with this address.")
        user_id, organization_id = made
        actor = audit.user(user_id)
        _, key = await apikeys.make(session, organization_id, actor, name="first key", scopes=["*"])
    return user_id, organization_id, key
