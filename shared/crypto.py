"""Keys and digests: sealing with key ids, signing of links and cursors, Ed25519 pairs."""

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Mapping

import orjson
from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey


class UnsealError(Exception):
    """A sealed value cannot be opened: no key, another key, changed bytes, or bound to another row."""


class KeyRing:
    """Fernet keys by id, the newest first; seals values together with what they belong to.

    Fernet has no associated data, so the binding (such as organisation and integration id) travels
    inside the sealed payload and is compared when it is opened.
    """

    def __init__(self, keys: Mapping[str, str]) -> None:
        if not keys:
            raise ValueError("needs at least one key")
        self._keys = {key_id: Fernet(key) for key_id, key in keys.items()}
        self.newest = next(iter(keys))

    @classmethod
    def parse(cls, text: str) -> "KeyRing":
        """Reads `id:key,id:key`, newest first; raises ValueError when a key is not 32 bytes of base64."""
        pairs = [part.strip().partition(":") for part in text.split(",") if part.strip()]
        if not all(key_id and key for key_id, _, key in pairs):
            raise ValueError("must read `id:key,id:key`")
        return cls({key_id: key for key_id, _, key in pairs})

    def seal(self, value: object, binding: Mapping[str, str]) -> tuple[str, bytes]:
        """Returns the key id and the sealed bytes of a JSON-compatible value."""
        payload = orjson.dumps({"binding": dict(binding), "value": value})
        return self.newest, self._keys[self.newest].encrypt(payload)

    def open(self, key_id: str, sealed: bytes, binding: Mapping[str, str]) -> object:
        """Returns the value; raises UnsealError."""
        key = self._keys.get(key_id)
        if key is None:
            raise UnsealError(f"no key with id {key_id!r}")
        try:
            payload = orjson.loads(key.decrypt(sealed))
        except InvalidToken:
            raise UnsealError("the key does not fit") from None
        if payload["binding"] != dict(binding):
            raise UnsealError("sealed for another row")
        return payload["value"]


def digest(token: str) -> bytes:
    """SHA-256 of a high-entropy token, the only form in which one is stored."""
    return hashlib.sha256(token.encode()).digest()


def sign(secret: str, purpose: str, message: bytes) -> bytes:
    """HMAC-SHA256 under a key derived for one purpose."""
    key = hmac.digest(secret.encode(), purpose.encode(), "sha256")
    return hmac.digest(key, message, "sha256")


def equal(left: bytes, right: bytes) -> bool:
    """Compares in constant time."""
    return hmac.compare_digest(left, right)


def random_token(size: int = 32) -> str:
    """URL-safe text of `size` random bytes."""
    return secrets.token_urlsafe(size)


def encode64(data: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode64(text: str) -> bytes:
    """Reads base64url without padding; raises ValueError."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError("not base64url") from error


def compact_jwt(key: Ed25519PrivateKey, header: str, claims: object) -> str:
    """A signed token from a header that is encoded already, by hand: PyJWT takes longer than the signature does."""
    signed = f"{header}.{encode64(orjson.dumps(claims))}"
    return f"{signed}.{encode64(key.sign(signed.encode()))}"


def private_key(seed: str) -> Ed25519PrivateKey:
    """An Ed25519 key from its base64url seed of 32 bytes."""
    return Ed25519PrivateKey.from_private_bytes(decode64(seed))


def public_key(text: str) -> Ed25519PublicKey:
    """An Ed25519 public key from its base64url form."""
    return Ed25519PublicKey.from_public_bytes(decode64(text))


def public_text(key: Ed25519PrivateKey) -> str:
    """The base64url form of the public half."""
    raw = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return encode64(raw)
