"""What auth's work needs besides a transaction, opened once a process."""

import base64
from dataclasses import dataclass

from services.auth.domain.passwords import Passwords
from services.auth.domain.signingkeys import SigningKeys
from services.auth.settings import Settings
from shared import crypto
from shared.database import Database
from shared.ratelimit import Limiter

SEAL_ID = "s1"


@dataclass(frozen=True)
class Context:
    """The parts of one process; the database is here because checking a password must not hold a transaction open."""

    settings: Settings
    database: Database
    seal: crypto.KeyRing
    keys: SigningKeys
    passwords: Passwords
    limiter: Limiter


def build(settings: Settings, database: Database, limiter: Limiter) -> Context:
    """Opens nothing yet but threads."""
    seal = crypto.KeyRing({SEAL_ID: seal_key(settings.secret_key.get_secret_value())})
    return Context(
        settings=settings,
        database=database,
        seal=seal,
        keys=SigningKeys(database, seal),
        passwords=Passwords(settings.password_threads, settings.password_queue),
        limiter=limiter,
    )


def seal_key(secret: str) -> str:
    """The Fernet key that follows from the secret key."""
    return base64.urlsafe_b64encode(crypto.sign(secret, "auth-seal", b"")).decode()
