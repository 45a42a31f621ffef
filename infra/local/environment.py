"""The environment variables of every process of the stack, and the secrets behind them."""

import base64
import json
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from infra.local import discovery, secretfiles
from infra.local.postgres import Postgres
from infra.local.valkey import ADMINISTRATOR, Valkey

ROLE_KINDS = ("owner", "api", "system")
WORKER_POOL_SIZE = 8


@dataclass(frozen=True)
class Environment:
    """What processes of one stack have in common."""

    secrets: Path
    services: Sequence[str]
    postgres: Postgres
    valkey: Valkey
    public_url: str
    smtp_url: str
    siblings_file: Path

    def of(self, service: str, instance: str, *, worker: bool = False, database: str | None = None) -> dict[str, str]:
        """Variables of one process; what the caller of the stack has set wins where the stack has no say.

        What only other services read is left out; what nobody reads is not, so that the process refuses it.
        """
        own = {
            "FLOYO_INSTANCE": instance,
            "FLOYO_DATABASE_URL": self.database_url(service, "api", database),
            "FLOYO_SYSTEM_DATABASE_URL": self.database_url(service, "system", database),
            "FLOYO_REDIS_URL": self.valkey.url(service),
            "FLOYO_SERVICE_KEY": secretfiles.obtain(self.secrets, f"service_key_{service}"),
            "FLOYO_SERVICE_PUBLIC_KEYS": json.dumps(public_keys(self.secrets, self.services)),
            "FLOYO_SIBLINGS_FILE": str(self.siblings_file),
        }
        told = {**self._defaults(worker=worker), **passed_on(), **own}
        others = {name for other in discovery.services() if other != service for name in discovery.own_variables(other)}
        foreign = others - discovery.own_variables(service)
        return {name: value for name, value in told.items() if name not in foreign}

    def database_url(self, service: str, kind: str, database: str | None = None) -> str:
        """The address of a service's database for its `owner`, `api` or `system` role."""
        role = f"{service}_{kind}"
        return self.postgres.dsn(database or service, role, role_passwords(self.secrets, [service])[role])

    def _defaults(self, *, worker: bool) -> dict[str, str]:
        defaults = {
            "FLOYO_ENVIRONMENT": "local",
            "FLOYO_SECRET_KEY": secretfiles.obtain(self.secrets, "secret_key"),
            "FLOYO_CREDENTIAL_KEYS": credential_keys(self.secrets),
            "FLOYO_PUBLIC_URL": self.public_url,
            "FLOYO_SMTP_URL": self.smtp_url,
        }
        if worker:
            defaults["FLOYO_DATABASE_POOL_SIZE"] = str(WORKER_POOL_SIZE)
        return defaults


def passed_on() -> dict[str, str]:
    """The caller's own FLOYO_ variables."""
    return {name: value for name, value in os.environ.items() if name.startswith("FLOYO_") and value}


def role_passwords(folder: Path, services: Sequence[str]) -> dict[str, str]:
    """The password of every database role."""
    roles = [f"{service}_{kind}" for service in services for kind in ROLE_KINDS]
    return {role: secretfiles.obtain(folder, f"database_{role}") for role in roles}


def redis_passwords(folder: Path, services: Sequence[str]) -> dict[str, str]:
    """The password of every Valkey user, the administrator's among them."""
    return {name: secretfiles.obtain(folder, f"redis_{name}") for name in (ADMINISTRATOR, *services)}


def credential_keys(folder: Path) -> str:
    """The keys that seal users' credentials, newest first, as `id:key`."""
    return secretfiles.obtain(
        folder, "credential_keys", lambda: f"k1:{base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()}"
    )


def public_keys(folder: Path, services: Sequence[str]) -> dict[str, str]:
    """The public half of each service's own key, which is made with it."""
    return {name: _public_key(folder, name) for name in services}


def _public_key(folder: Path, service: str) -> str:
    def derive() -> str:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        seed = secretfiles.obtain(folder, f"service_key_{service}")
        key = Ed25519PrivateKey.from_private_bytes(base64.urlsafe_b64decode(seed + "=="))
        return base64.urlsafe_b64encode(key.public_key().public_bytes_raw()).decode().rstrip("=")

    return secretfiles.obtain(folder, f"service_key_{service}.public", derive)
