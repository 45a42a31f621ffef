"""Registration, verified addresses and forgotten passwords."""

from services.auth.deps import ContextDep
from services.auth.domain import accounts, emails
from services.auth.schemas.accounts import Accepted, EmailOnly, Register, ResetPassword, TokenOnly
from shared import errors, webapp
from shared.deps import ServiceDep
from shared.flags import REGISTRATION, Flags

router = webapp.router(tags=["auth"])


@router.post("/auth/register", status_code=202)
async def register(body: Register, context: ContextDep, service: ServiceDep) -> Accepted:
    """Ask for an account; the answer is the same for an address that has one."""
    if not service.part(Flags).enabled(REGISTRATION):
        raise errors.Forbidden("registration-closed", "Registration is closed; ask for an invitation.")
    await accounts.register(context, accounts.Registration(emails.parse(body.email), body.password, body.name))
    return Accepted()


@router.post("/auth/verify-email", status_code=204)
async def verify_email(body: TokenOnly, context: ContextDep) -> None:
    """Open the link of a verifying letter."""
    await accounts.verify(context, body.token)


@router.post("/auth/resend-verification", status_code=202)
async def resend_verification(body: EmailOnly, context: ContextDep) -> Accepted:
    """Ask for the verifying letter again."""
    await accounts.resend_verification(context, emails.parse(body.email))
    return Accepted()


@router.post("/auth/forgot-password", status_code=202)
async def forgot_password(body: EmailOnly, context: ContextDep) -> Accepted:
    """Ask for a link to choose a new password; the answer is the same for unknown addresses."""
    await accounts.forgot_password(context, emails.parse(body.email))
    return Accepted()


@router.post("/auth/reset-password", status_code=204)
async def reset_password(body: ResetPassword, context: ContextDep) -> None:
    """Choose a new password by the link; every session ends."""
    await accounts.reset_password(context, body.token, body.password)
