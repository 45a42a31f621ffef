"""Access tokens of people (RFC 9068), read by hand: PyJWT takes as long for the rest as for the signature."""

import time
from binascii import a2b_base64
from functools import lru_cache
from typing import Any
from uuid import UUID

import jwt
import msgspec
from cryptography.exceptions import InvalidSignature

from shared.policy import Role

ALGORITHM = "EdDSA"
ACCESS_TYPE = "at+jwt"
AUDIENCE = "floyo"
CLOCK_LEEWAY = 5
FAR = 1e11
# What reading may raise of a token that is not ours.
UNREADABLE = (
    InvalidSignature, jwt.PyJWTError, msgspec.MsgspecError, ValueError, TypeError, AttributeError, ArithmeticError,
    RecursionError,
)  # fmt: skip
_STANDARD = bytes.maketrans(b"-_", b"+/")


class Claims(msgspec.Struct, gc=False):
    """What an access token says; whatever is of another type is refused, and what is more is passed over."""

    iss: str
    aud: str
    exp: float
    iat: float
    sub: UUID
    org: UUID
    sid: UUID
    role: Role
    nbf: float = 0.0
    jti: str = ""
    adm: bool = False


_read = msgspec.json.Decoder(Claims).decode


@lru_cache(maxsize=64)
def key_id(header: str) -> str:
    """The key that an acceptable header names; the header of one key's tokens is always the same text."""
    found = jwt.get_unverified_header(f"{header}.e30.")
    if found.get("alg") != ALGORITHM or found.get("typ") != ACCESS_TYPE or {"crit", "b64"} & found.keys():
        raise ValueError("another kind of token")
    return str(found.get("kid"))


def read(token: str, key: Any, issuer: str) -> Claims:
    """The claims, checked as PyJWT would, of a token signed by this key; raises what stands in `UNREADABLE`."""
    signed, _, signature = token.encode().rpartition(b".")
    key.verify(_signature(signature), signed)
    claims, now = _read(_decode(signed.partition(b".")[2])), time.time()
    if claims.iss != issuer or claims.aud != AUDIENCE:
        raise ValueError("not for us")
    if not now < int(claims.exp) < FAR or not max(claims.iat - CLOCK_LEEWAY, claims.nbf) <= now:
        raise ValueError("not now")
    return claims


def _signature(text: bytes) -> bytes:
    """The 64 bytes of a signature, which has exactly one spelling."""
    if len(text) != 86 or text[-1] not in b"AQgw" or b"+" in text or b"/" in text:
        raise ValueError("no signature in base64url")
    return _decode(text)


def _decode(text: bytes) -> bytes:
    return a2b_base64(text.translate(_STANDARD) + b"==")
