"""Signature Version 4 as S3 wants it: paths are signed as they are but for their encoding."""

import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final
from urllib.parse import quote

ALGORITHM: Final = "AWS4-HMAC-SHA256"
_UNRESERVED: Final = "-_.~"

Pairs = Iterable[tuple[str, str]]


def encode_path(path: str) -> str:
    """A path in the one spelling that is signed and sent."""
    return quote(path, safe="/" + _UNRESERVED)


def encode_query(pairs: Pairs) -> str:
    """A query in the one spelling that is signed and sent."""
    encoded = sorted((quote(name, safe=_UNRESERVED), quote(value, safe=_UNRESERVED)) for name, value in pairs)
    return "&".join(f"{name}={value}" for name, value in encoded)


@dataclass(frozen=True, slots=True)
class Scope:
    """Who signs, when and for what."""

    access_key_id: str
    secret_access_key: str
    region: str
    service: str
    at: datetime

    @property
    def stamp(self) -> str:
        """The time as the algorithm writes it."""
        return self.at.strftime("%Y%m%dT%H%M%SZ")

    @property
    def text(self) -> str:
        """The credential scope."""
        return f"{self.stamp[:8]}/{self.region}/{self.service}/aws4_request"

    def signature(self, canonical: str) -> str:
        """The signature of a canonical request, in hexadecimal."""
        key = f"AWS4{self.secret_access_key}".encode()
        for part in (self.stamp[:8], self.region, self.service, "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        return hmac.new(key, self.string_to_sign(canonical).encode(), sha256).hexdigest()

    def string_to_sign(self, canonical: str) -> str:
        """Algorithm, time, scope and the hash of the canonical request."""
        return "\n".join((ALGORITHM, self.stamp, self.text, sha256(canonical.encode()).hexdigest()))


def canonical_request(method: str, path: str, query: Pairs, headers: Pairs, payload_hash: str) -> str:
    """The canonical form; `path` is raw and stays as it is but for its encoding, as S3 wants it."""
    merged: dict[str, list[str]] = {}
    for name, value in headers:
        merged.setdefault(name.lower(), []).append(" ".join(value.split()))
    lines = [f"{name}:{','.join(values)}" for name, values in sorted(merged.items())]
    return "\n".join((
        method,
        encode_path(path),
        encode_query(query),
        *lines,
        "",
        ";".join(sorted(merged)),
        payload_hash,
    ))  # fmt: skip


def authorization(scope: Scope, canonical: str) -> str:
    """The header of a signed request."""
    signed = canonical.rsplit("\n", 2)[1]
    credential = f"{scope.access_key_id}/{scope.text}"
    return f"{ALGORITHM} Credential={credential}, SignedHeaders={signed}, Signature={scope.signature(canonical)}"


def presigning(scope: Scope, signed_headers: Iterable[str], seconds: int, token: str | None = None) -> dict[str, str]:
    """The query parameters of a presigned request, all but the signature."""
    parameters = {
        "X-Amz-Algorithm": ALGORITHM,
        "X-Amz-Credential": f"{scope.access_key_id}/{scope.text}",
        "X-Amz-Date": scope.stamp,
        "X-Amz-Expires": str(seconds),
        "X-Amz-SignedHeaders": ";".join(sorted(signed_headers)),
    }
    return parameters | ({"X-Amz-Security-Token": token} if token else {})
