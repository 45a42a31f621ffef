"""E-mail addresses: read strictly, compared without regard to case."""

from dataclasses import dataclass
from functools import lru_cache

import email_validator

MAX_LENGTH = 254
# Whether a name such as corp.local can be delivered to is known to the mail server of the installation alone.
email_validator.SPECIAL_USE_DOMAIN_NAMES.clear()


@dataclass(frozen=True, slots=True)
class Address:
    """An address as its owner writes it, and the form by which it is found."""

    text: str
    key: str


@lru_cache(maxsize=1_024)  # a request reads its address twice: when it is checked, and when it is used
def parse(text: str) -> Address:
    """Raises ValueError with a sentence."""
    if len(text) > MAX_LENGTH:
        raise ValueError(f"An address has at most {MAX_LENGTH} characters.")
    found = email_validator.validate_email(text, check_deliverability=False, globally_deliverable=False, strict=True)
    return Address(found.normalized, f"{found.local_part}@{found.ascii_domain or found.domain}".lower())
