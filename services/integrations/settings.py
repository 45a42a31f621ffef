"""What this service is configured with beyond what every service is."""

from functools import cached_property
from urllib.parse import urlsplit

from pydantic import SecretStr, field_validator

from shared import settings
from shared.crypto import KeyRing
from shared.destinations import Policy, parse_allow


class Settings(settings.Settings):
    """Adds the keys of the credential vault and the exceptions of the egress guard."""

    credential_keys: SecretStr
    egress_allow: str = ""

    @field_validator("credential_keys")
    @classmethod
    def _check_keys(cls, value: SecretStr) -> SecretStr:
        try:
            KeyRing.parse(value.get_secret_value())
        except ValueError:
            raise ValueError("must read keyid:key,…, newest first, each key 32 random bytes in base64url") from None
        return value

    @field_validator("egress_allow")
    @classmethod
    def _check_allow(cls, value: str) -> str:
        parse_allow(value)
        return value

    @cached_property
    def key_ring(self) -> KeyRing:
        """The keys that seal credentials."""
        return KeyRing.parse(self.credential_keys.get_secret_value())

    @property
    def egress_policy(self) -> Policy:
        """The operator's exceptions, and the stack's own ports, which stay closed to everybody's calls."""
        urls = [self.database_url.get_secret_value(), self.redis_url.get_secret_value(), self.public_url]
        urls += [url for instances in self.siblings.values() for url in instances]
        ports = {urlsplit(url).port for url in urls}
        return Policy(allow=parse_allow(self.egress_allow), closed_ports=frozenset(port for port in ports if port))
