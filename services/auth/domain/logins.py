"""Logins: one answer for every wrong pair, counted by account whatever path or address they come from."""

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.auth.domain import audit, emails, passwords, secondfactor, sessions, tokens
from services.auth.domain.context import Context
from services.auth.domain.signingkeys import SigningKey
from services.auth.storage import accounts
from shared import errors
from shared.identity import Principal
from shared.ratelimit import Limit

BAD_PASSWORDS = Limit("bad-passwords", quota=10, seconds=900, strict=True)


@dataclass(frozen=True, slots=True)
class Proof:
    """What somebody offers to prove who they are; `known` when the request carries a session of the same person."""

    password: str
    totp: str | None = None
    known: Principal | None = None


async def login(context: Context, email: emails.Address, proof: Proof, device: sessions.Device) -> tokens.Pair:
    """A pair of tokens in the person's first organisation."""
    account = await accounts.look_up(context.database, email.key)
    account = await prove(context, email.key, account, proof)
    return await _enter(context, email, account, proof, device)


async def login_stranger(context: Context, email: emails.Address, proof: Proof, device: sessions.Device) -> tokens.Pair:
    """The same for a proof without a session, once `may_try` was answered."""
    account = await accounts.look_up(context.database, email.key)
    await _verify(context, email.key, account, proof)
    return await _enter(context, email, account, proof, device)


def may_try(context: Context, email: emails.Address) -> Awaitable[object]:
    """Raises TooManyRequests when too many wrong pairs had this address; asked at once, awaited beside other limits."""
    return context.limiter.look(BAD_PASSWORDS, _counter(email.key))


async def _enter(
    context: Context, email: emails.Address, account: Any, proof: Proof, device: sessions.Device
) -> tokens.Pair:
    if account.verified_at is None and context.settings.verification_required:
        raise errors.Forbidden("email-not-verified", "Open the link in the letter that verifies the address first.")
    signing = await context.keys.current()
    pair = await sessions.log_in(context, signing, account, device) if account.totp_enabled_at is None else None
    if pair is not None:
        return pair
    async with context.database.system() as session:
        pair = await _start(context, session, signing, account, code=proof.totp, device=device)
    if pair is None:
        raise await _refusal(context, email.key, account, _session_key(proof.known, account))
    return pair


async def _start(
    context: Context,
    session: AsyncSession,
    signing: SigningKey,
    account: Any,
    *,
    code: str | None,
    device: sessions.Device,
) -> tokens.Pair | None:
    """The session, or None when the code or, by now, the password is wrong."""
    fresh = await accounts.find_with_place(session, account.id)
    if fresh is None or fresh.disabled_at or fresh.password_hash != account.password_hash:
        return None
    if not await secondfactor.check(context, session, fresh, code):
        return None
    if fresh.place is None:
        raise errors.Forbidden("no-organization", "The account belongs to no active organisation.")
    await audit.record(session, fresh.place, audit.user(account.id), "session.started", str(account.id))
    return await sessions.start(
        context, session, signing, user_id=account.id, organization_id=fresh.place, device=device
    )


async def prove(context: Context, key: str, account: Any, proof: Proof) -> Any:
    """The account, if the password fits; raises Unauthorized `invalid-credentials` or TooManyRequests.

    A session of the same person has a counter of its own, so that strangers cannot lock somebody out.
    """
    await context.limiter.check(BAD_PASSWORDS, _session_key(proof.known, account) or _counter(key))
    await _verify(context, key, account, proof)
    return account


async def _verify(context: Context, key: str, account: Any, proof: Proof) -> None:
    """Raises the refusal of a password that does not fit; that of nobody takes as long as any."""
    stored = account.password_hash if account is not None and account.disabled_at is None else None
    if not await context.passwords.verify(stored, passwords.normalise(proof.password)):
        raise await _refusal(context, key, account, _session_key(proof.known, account))


async def _refusal(context: Context, key: str, account: Any, session_key: str | None) -> errors.Unauthorized:
    """Counts one wrong password or code: the one answer to all of them; raises TooManyRequests after too many.

    The owner finds in the log what was tried, and when strangers were shut out; nobody waits for that.
    """
    if account is not None:
        context.beside(_note(context, account.id, "login.failed"))
    if session_key is not None:
        await context.limiter.take(BAD_PASSWORDS, session_key)
    standing = await context.limiter.take(BAD_PASSWORDS, _counter(key))
    if account is not None and standing.remaining == 0:
        context.beside(_note(context, account.id, "login.locked"))
    return errors.Unauthorized("invalid-credentials", "The address, the password or the code is wrong.")


async def _note(context: Context, user_id: UUID, action: str) -> None:
    async with context.database.system() as session:
        await audit.note(session, user_id, action)


def _counter(key: str) -> str:
    return f"account:{key}"


def _session_key(known: Principal | None, account: Any) -> str | None:
    if known is None or account is None or known.user_id != account.id:
        return None
    return f"session:{known.session_id}"
