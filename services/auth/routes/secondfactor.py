"""The caller's second factor."""

from services.auth.deps import ContextDep, CurrentUser
from services.auth.domain import secondfactor, users
from services.auth.schemas.accounts import ConfirmCode, ConfirmPassword, RecoveryCodes, RecoveryState, TotpSecret
from shared import webapp

router = webapp.router(tags=["users"])


@router.post("/users/me/totp")
async def begin_totp(body: ConfirmPassword, context: ContextDep, user: CurrentUser) -> TotpSecret:
    """Get a secret for an authenticator; logins ask for codes once one was confirmed."""
    await users.confirm(context, user, body.current_password)
    secret, uri = await secondfactor.begin(context, user.user_id)
    return TotpSecret(secret=secret, uri=uri)


@router.put("/users/me/totp")
async def confirm_totp(body: ConfirmCode, context: ContextDep, user: CurrentUser) -> RecoveryCodes:
    """Switch the second factor on with a first code; the recovery codes are shown this once."""
    return RecoveryCodes(recovery_codes=await secondfactor.enable(context, user, body.code))


@router.delete("/users/me/totp", status_code=204)
async def disable_totp(body: ConfirmPassword, context: ContextDep, user: CurrentUser) -> None:
    """Switch the second factor off."""
    await users.confirm(context, user, body.current_password)
    await secondfactor.disable(context, user)


@router.get("/users/me/recovery-codes")
async def count_recovery_codes(context: ContextDep, user: CurrentUser) -> RecoveryState:
    """How many recovery codes are left."""
    return RecoveryState(remaining=await secondfactor.count_recovery_codes(context, user.user_id))


@router.post("/users/me/recovery-codes")
async def renew_recovery_codes(body: ConfirmPassword, context: ContextDep, user: CurrentUser) -> RecoveryCodes:
    """Get fresh recovery codes in place of the earlier ones; they are shown this once."""
    await users.confirm(context, user, body.current_password)
    return RecoveryCodes(recovery_codes=await secondfactor.renew_recovery_codes(context, user))
