"""Letters to people: what each says, sealed into the queue in the transaction that causes it."""

from datetime import timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from services.auth.domain.context import Context
from services.auth.storage import mail as rows
from shared import clock, ids
from shared.crypto import KeyRing

KEEP_TRYING = timedelta(hours=24)

_VERIFY = "Open this link to verify your address. It works for a day:\n\n{link}\n"
_RESET = """\
Open this link to choose a new password. It works for an hour:

{link}

Nothing changes unless you open it.
"""
_KNOWN = """\
Somebody, perhaps you, tried to register with this address, which has an account.
Log in, or choose a new password, at:

{link}
"""
_CHANGE = "Open this link to use this address for your account. It works for a day:\n\n{link}\n"
_CHANGED = "This was changed just now: {what}.\n\nIf it was not you, choose a new password at once: {link}\n"
_INVITE = """\
You were invited to {organization}. Log in or register with this address, then open this link within seven days:

{link}
"""
_WEBHOOK_FAILING = """\
The webhook to {name} has failed for five days, so nothing is sent there any more.

Once its receiver is well, make it active again and replay what it missed: {link}
"""
_WEBHOOK_GONE = """\
The receiver of the webhook to {name} answered that it is gone, so nothing is sent there any more.

Change its address or make it active again here: {link}
"""
_AUTHORIZATION = """\
The integration {name} is no longer authorized: the other side refused to renew its access.

Workflows that use it fail until somebody authorizes it again: {link}
"""
_APPROVAL = """\
A run waits for your decision at its step {step}.

See what is asked, and approve or reject it, on this page. Opening it decides nothing: {link}
"""
_TEXTS = {
    "approval": ("A decision is asked of you", _APPROVAL),
    "verify": ("Verify your address", _VERIFY),
    "reset": ("Choose a new password", _RESET),
    "known": ("You have an account already", _KNOWN),
    "change": ("Verify your new address", _CHANGE),
    "changed": ("Your account was changed", _CHANGED),
    "webhook-failing": ("A webhook was switched off", _WEBHOOK_FAILING),
    "webhook-gone": ("A webhook was switched off", _WEBHOOK_GONE),
    "authorization-refused": ("An integration must be authorized again", _AUTHORIZATION),
    "invite": ("An invitation to {organization}", _INVITE),
}


async def send(context: Context, session: AsyncSession, kind: str, to: str, *, path: str = "/", **values: Any) -> None:
    """Queues a letter; links begin with the configured address, whatever the request said."""
    if context.settings.smtp_url is None:
        return
    subject, text = _TEXTS[kind]
    words = {**values, "link": context.settings.public_url.rstrip("/") + path}
    mail_id, now = ids.new(), clock.now()
    letter = {"to": to, "subject": _line(subject.format(**words)), "text": text.format(**words)}
    key_id, sealed = context.seal.seal(letter, {"mail": str(mail_id)})
    await rows.insert(
        session, id=mail_id, kind=kind, key_id=key_id, sealed=sealed, due_at=now, expires_at=now + KEEP_TRYING
    )


def opened(seal: KeyRing, row: Any) -> dict[str, str]:
    """{to, subject, text} of a queued letter; raises UnsealError."""
    letter: Any = seal.open(row.key_id, row.sealed, {"mail": str(row.id)})
    return {name: str(value) for name, value in letter.items()}


def _line(text: str) -> str:
    return " ".join(text.split())[:200]
