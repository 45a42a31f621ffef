"""Registration, verified addresses and forgotten passwords."""

from services.auth.deps import ContextDep
from services.auth.domain import accounts, emails
from services.auth.schemas.accounts import Accepted, EmailOnly, Register, TokenOnly
from shared import webapp

router = webapp.router(tags=["auth"])


@router.post("/auth/register", status_code=202)
async def register(body: Register, context: ContextDep) -> Accepted:
    """Ask for an account; the answer is the same for an address that has one."""
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
