"""Configuration from the environment and secrets files, which refuses to start when it is unsafe."""

import difflib
import os
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from shared import limits as policies

Environment = Literal["local", "test", "development", "production"]

KNOWN_SECRETS = frozenset(
    {
        "your-secret-key-change-in-production",
        "changeme",
        "secret",
        "example-only-generate-your-own-with-openssl-rand-base64-48",
    }
)
MIN_SECRET_BYTES = 32
MIN_DISTINCT_CHARACTERS = 8


PREFIX = "FLOYO_"
# Read before there are settings, or by migrations, the stack around the processes and the client beside them.
BESIDE = (
    "SECRETS_DIR", "BIND", "PUBLIC_PORT", "INTERNAL_PORT", "FAULTS", "CLOCK_OFFSET", "OWNER_DATABASE_URL",
    "ADMIN_DATABASE_URL", "DATABASE_PASSWORDS", "HOME", "PORT", "ADDRESS", "VERSION", "REVISION", "COMPOSE_SECRETS",
    "TLS_CERTIFICATE", "TLS_KEY", "GATEWAY_USER", "DOCKER_SOCKET", "PROVIDER", "PYTHON", "URL", "TOKEN", "PASSWORD",
    "SAMPLES", "TEST_GATEWAY", "TEST_CA", "CONTRACT_EXAMPLES", "CHAOS_KEEP",
)  # fmt: skip


class SettingsError(Exception):
    """The configuration refuses to start; each line names a variable, never its value."""


class Settings(BaseSettings):
    """What every process needs; each service adds its own fields in `settings.py`."""

    model_config = SettingsConfigDict(env_prefix="FLOYO_", extra="ignore", frozen=True)

    environment: Environment = "production"
    instance: str = Field(default_factory=lambda: platform.node() or "unnamed")
    secret_key: SecretStr
    cors_origins: Annotated[tuple[str, ...], NoDecode] = ()
    public_url: str = "http://127.0.0.1:8080"
    docs: bool | None = None

    database_url: SecretStr
    system_database_url: SecretStr
    database_pool_size: int = Field(default=5, ge=1, le=50)
    redis_url: SecretStr

    service_key: SecretStr
    service_public_keys: dict[str, str]
    siblings: dict[str, list[str]] = {}
    siblings_file: Path | None = None

    drain_seconds: float = Field(default=2.0, ge=0, le=30)
    forwarded_allow_ips: str = "127.0.0.1"
    limits: dict[str, int] = {}

    @property
    def docs_enabled(self) -> bool:
        """API documents are shown outside production unless switched explicitly."""
        return self.environment != "production" if self.docs is None else self.docs

    @field_validator("limits")
    @classmethod
    def _check_limits(cls, value: dict[str, int]) -> dict[str, int]:
        if unknown := sorted(value.keys() - policies.NAMES):
            raise ValueError(f"knows no limit {', '.join(unknown)}")
        if any(quota < 1 for quota in value.values()):
            raise ValueError("must be 1 or more each")
        return value

    @field_validator("secret_key")
    @classmethod
    def _check_secret_key(cls, value: SecretStr) -> SecretStr:
        check_secret(value.get_secret_value())
        return value

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _split_origins(cls, value: Any) -> Any:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("cors_origins")
    @classmethod
    def _check_origins(cls, value: tuple[str, ...], info: Any) -> tuple[str, ...]:
        production = info.data.get("environment", "production") == "production"
        for origin in value:
            check_origin(origin, production=production)
        return value


def check_secret(value: str) -> None:
    """Raises ValueError unless the value could be 32 random bytes or more."""
    if value in KNOWN_SECRETS:
        raise ValueError("is a published example; generate one with: openssl rand -base64 48")
    if len(value.encode()) < MIN_SECRET_BYTES:
        raise ValueError(f"must hold at least {MIN_SECRET_BYTES} random bytes")
    if len(set(value)) < MIN_DISTINCT_CHARACTERS:
        raise ValueError("repeats too few characters to be random")


def check_origin(origin: str, *, production: bool) -> None:
    """Raises ValueError unless the origin is exact; production asks for https as well."""
    parts = urlsplit(origin)
    schemes = {"https"} if production else {"https", "http"}
    if parts.scheme not in schemes or not parts.hostname or "*" in origin:
        raise ValueError("must list exact https origins, such as https://app.example.com")
    if origin != f"{parts.scheme}://{parts.netloc}" or parts.username is not None:
        raise ValueError("must list origins without path, query or credentials")
    _ = parts.port  # raises ValueError when out of range


T = TypeVar("T", bound=BaseSettings)


def load(kind: type[T]) -> T:
    """Reads the settings of one process; raises SettingsError with a line for each wrong variable."""
    folder = os.environ.get("FLOYO_SECRETS_DIR")
    lines = list(_unknown(kind, folder))
    try:
        loaded = kind(_secrets_dir=folder) if folder else kind()
    except ValidationError as error:
        lines += [f"{_variable(item['loc'])}: {_reason(item)}" for item in error.errors(include_input=False)]
    if lines:
        raise SettingsError("\n".join(lines))
    return loaded


def _unknown(kind: type[BaseSettings], folder: str | None) -> Iterator[str]:
    """A line for each variable, or file of a secret, with our prefix that nobody reads: a typo must not pass."""
    known = {PREFIX + name.upper() for name in kind.model_fields} | {PREFIX + name for name in BESIDE}
    named = {*os.environ, *(path.name for path in Path(folder).glob("*"))} if folder else {*os.environ}
    for name in sorted(name for name in named if name.upper().startswith(PREFIX) and name.upper() not in known):
        near = difflib.get_close_matches(name.upper(), known, n=1)
        yield f"{name}: is unknown" + (f"; is {near[0]} meant?" if near else "")


def _variable(location: tuple[int | str, ...]) -> str:
    return PREFIX + str(location[0]).upper() if location else "FLOYO_*"


def _reason(item: Any) -> str:
    if item["type"] == "missing":
        return "is not set"
    return str(item["msg"]).removeprefix("Value error, ")
