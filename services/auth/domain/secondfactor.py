"""The second factor: time-based codes (RFC 6238) that work once, and recovery codes for a lost device."""

import secrets
import time
from typing import Any
from uuid import UUID

import pyotp
from sqlalchemy.ext.asyncio import AsyncSession

from services.auth.domain import audit
from services.auth.domain.context import Context
from services.auth.domain.people import Person
from services.auth.storage import accounts, onetime
from shared import clock, crypto, errors, log

ISSUER = "Floyo"
STEP_SECONDS = 30
RECOVERY_CODES = 10

_log = log.get(__name__)


async def check(context: Context, session: AsyncSession, account: Any, code: str | None) -> bool:
    """True when nothing is asked or the code fits, which is used up; False for a wrong one.

    Raises Unauthorized `second-factor-required` without a code. The account's row is locked by the caller, so that one
    code cannot serve two logins.
    """
    if account.totp_enabled_at is None:
        return True
    if not code:
        raise errors.Unauthorized("second-factor-required", "Send the code of the authenticator, or a recovery code.")
    step = match(_secret(context, account), code, account.totp_step)
    if step is not None:
        await accounts.update(session, account.id, totp_step=step)
        return True
    if not await onetime.take_recovery_code(session, account.id, _digest(account.id, code)):
        return False
    await audit.note(session, account.id, "recovery_code.used")
    return True


def match(secret: str | None, code: str, last_step: int | None) -> int | None:
    """The time step of a code that fits now or one step away, unless it or a later one was used."""
    if secret is None:
        return None
    now = int(time.time()) // STEP_SECONDS
    totp = pyotp.TOTP(secret)
    for step in (now, now - 1, now + 1):
        if secrets.compare_digest(totp.at(step * STEP_SECONDS).encode(), code.strip().encode()):
            return step if last_step is None or step > last_step else None
    return None


async def begin(context: Context, user_id: UUID) -> tuple[str, str]:
    """A new secret, not yet asked for at logins, and its otpauth:// address."""
    secret = pyotp.random_base32()
    key_id, sealed = context.seal.seal(secret, {"totp": str(user_id)})
    async with context.database.system() as session:
        account = await _locked(session, user_id)
        if account.totp_enabled_at is not None:
            raise errors.Conflict("second-factor-enabled", "Switch the present second factor off first.")
        await accounts.update(session, user_id, totp_key_id=key_id, totp_sealed=sealed, totp_step=None)
    return secret, pyotp.TOTP(secret).provisioning_uri(name=account.email, issuer_name=ISSUER)


async def enable(context: Context, person: Person, code: str) -> list[str]:
    """Asks for codes from now on, once the person has shown one; returns the recovery codes."""
    user_id = person.user_id
    async with context.database.system() as session:
        account = await _locked(session, user_id)
        if account.totp_enabled_at is not None or account.totp_sealed is None:
            raise errors.Conflict("second-factor-not-begun", "Ask for a new secret first.")
        step = match(_secret(context, account), code, None)
        if step is None:
            raise errors.invalid_field("/code", "The code does not fit.", slug="invalid-code")
        await accounts.update(session, user_id, totp_enabled_at=clock.now(), totp_step=step)
        await _note(session, person, "second_factor.enabled")
        return await _renew(session, user_id)


async def disable(context: Context, person: Person) -> None:
    """Asks for no code any more."""
    empty = {"totp_key_id": None, "totp_sealed": None, "totp_step": None, "totp_enabled_at": None}
    async with context.database.system() as session:
        await accounts.update(session, person.user_id, **empty)
        await onetime.replace_recovery_codes(session, person.user_id, [])
        await _note(session, person, "second_factor.disabled")


async def renew_recovery_codes(context: Context, person: Person) -> list[str]:
    """Ten fresh codes in place of the earlier ones, shown this once."""
    async with context.database.system() as session:
        if (await _locked(session, person.user_id)).totp_enabled_at is None:
            raise errors.Conflict("second-factor-not-enabled", "Recovery codes belong to a second factor.")
        await _note(session, person, "recovery_codes.renewed")
        return await _renew(session, person.user_id)


async def count_recovery_codes(context: Context, user_id: UUID) -> int:
    """How many codes are left."""
    async with context.database.system() as session:
        return await onetime.count_recovery_codes(session, user_id)


async def _note(session: AsyncSession, person: Person, action: str) -> None:
    await audit.record(session, person.organization_id, person.principal.subject, action, str(person.user_id))


async def _locked(session: AsyncSession, user_id: UUID) -> Any:
    account = await accounts.find(session, user_id, lock=True)
    if account is None:
        raise errors.NotFound()
    return account


async def _renew(session: AsyncSession, user_id: UUID) -> list[str]:
    codes = [f"{secrets.token_hex(4)}-{secrets.token_hex(4)}" for _ in range(RECOVERY_CODES)]
    await onetime.replace_recovery_codes(session, user_id, [_digest(user_id, code) for code in codes])
    return codes


def _digest(user_id: UUID, code: str) -> bytes:
    return crypto.digest(f"{user_id}:{code.strip().lower()}")


def _secret(context: Context, account: Any) -> str | None:
    try:
        return str(context.seal.open(account.totp_key_id, account.totp_sealed, {"totp": str(account.id)}))
    except crypto.UnsealError as error:
        _log.error("second-factor-unusable", user_id=str(account.id), reason=str(error))
        return None  # the secret key was replaced: recovery codes still open the account
