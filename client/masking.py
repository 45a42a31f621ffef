"""Masks secrets before they leave the machine: passwords, tokens and keys in commands, texts and data."""

import itertools
import math
import re
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

MASK = "{secret}"
HASH = "{hash}"

_NAME = (
    r"(?:(?:pass(?:word|wd|phrase|code)|secret|token|authorization|credential|session[_-]?id"
    r"|(?:api|access|private|signing|encryption|master|account)[_-]?key)[\w-]*"
    r"|(?:pass|pwd)(?![a-z])|(?<![a-z])(?:auth|otp|pin|cookie|sig|signature|passin|passout)(?![a-z]))"
)
_VALUE = r"(\"(?:[^\"\\]|\\.)*\"|'[^']*'|(?:[^\s\\,;&|\"'<>]|\\.)+)"
_BLOCK = re.compile(r"-----BEGIN[^-\n]*-----.*?(?:-----END[^-\n]*-----|\Z)|\b(?:Proc-Type|DEK-Info):[^\n]*", re.DOTALL)
_VENDORS = re.compile(
    r"\b(?:(?:AKIA|ASIA|ABIA|ACCA)[0-9A-Z]{12,}|AIza[\w-]{20,}|gh[pousr]_\w{16,}|github_pat_\w{16,}|gl(?:pat|rt|dt|cbt)-[\w-]{12,}"
    r"|xox[a-z]-[\w-]{8,}|xapp-[\w-]{8,}|(?:sk|pk|rk)[-_][\w-]{16,}|whsec_[\w+/=-]{8,}|npm_\w{16,}|pypi-[\w-]{16,}|hf_\w{16,}"
    r"|dckr_pat_[\w-]{10,}|dop_v1_\w{16,}|shp(?:at|ss|ca)_\w{16,}|SG\.[\w.-]{16,}|ya29\.[\w-]+|1//[\w-]{20,}|hvs\.[\w-]{16,}"
    r"|AGE-SECRET-KEY-1\w{16,}|floyo_[\w-]{8,}|eyJ[\w-]{6,}(?:\.[\w-]*){1,2})"
    r"|\$(?:1|2[abxy]|5|6|7|y|argon2\w{1,2}|apr1)\$[^\s:\"']+"
)  # fmt: skip
_ANY_CASE = re.IGNORECASE
_CRACKERS = r"sshpass|hydra|medusa|ncrack|crackmapexec|nxc|evil-winrm|ldapsearch|bcp|sqlcmd|useradd|usermod"
_WITH_SPACE = r"mongo\w*|docker\s+login|podman\s+login|az\s+login|impacket-\w+|keytool"
_READERS = r"sudo|su|passwd|chpasswd|openssl|docker|podman|gpg|cryptsetup|kinit|base64"
_SETTERS = r"set|setg|config\s+set|configure\s+set"
_FETCHERS = r"\b(?:curl|wget|https?|xh)\b.*?\s(?:-u|--user|-a|--auth|--proxy-user)"
# The last group of each expression is the secret; what stands before it stays.
_PLACES = [
    re.compile(pattern, flags)
    for pattern, flags in (
        (r"\b(?:bearer|basic|digest|token)\s+(?=[\w+/=.~-]*[\d=])([\w+/=.~-]{6,})", _ANY_CASE),
        (rf"{_NAME}[\"']?\s*(?:=>|:=|==?|:(?!/))\s*(?:(?:bearer|basic)\s+)?{_VALUE}", _ANY_CASE),
        (rf"(?<!\w)-[\w-]{{0,40}}?{_NAME}[\s=]+{_VALUE}", _ANY_CASE),
        (rf"(?:^|\s)/(?:p|pass|password|pwd):{_VALUE}", _ANY_CASE),
        (rf"\b(?:{_SETTERS})\s+(?:--?\w+\s+)*[\w.:/-]*?{_NAME}\s+(\S.*)", _ANY_CASE),
        (r"://[^\s:/@]*:([^\s/@]+)@", 0),
        (rf"\b(?:{_CRACKERS})\b.*?\s-[pwa]\s*{_VALUE}", 0),
        (rf"\bmosquitto_\w+\b.*?\s-P\s*{_VALUE}", 0),
        (rf"\bredis-cli\b.*?\s-a\s*{_VALUE}", 0),
        (rf"\b(?:mysql\w*|mariadb\w*)\b.*?\s-p{_VALUE}", 0),
        (rf"\b(?:{_WITH_SPACE})\b.*?\s-p\s+{_VALUE}", 0),
        (rf"\b(?:zip|unzip|7za?|rar|unrar)\b.*?\s-[pP]\s*{_VALUE}", 0),
        (rf"\bssh-keygen\b.*?\s-[NP]\s*{_VALUE}", 0),
        (rf"-(?:storepass|keypass|srcstorepass|deststorepass|passin|passout)[\s=]+(?:pass:)?{_VALUE}", _ANY_CASE),
        (rf"\b(?:smbclient|rpcclient|smbmap|net)\b.*?\s-U\s*[^\s%]+%{_VALUE}", 0),
        (rf"\bhtpasswd\s+-\w*b\w*\s+(?:-\w+\s+)*\S+\s+\S+\s+{_VALUE}", 0),
        (rf"\bnet\s+user\s+\S+\s+(?!/){_VALUE}", _ANY_CASE),
        (rf"{_FETCHERS}[\s=]*[\"']?[^\s:\"']+:([^\s\"']+)", 0),
        (rf"\b(?:echo|printf)\s+(?:-\w+\s+)*(.+?)\s*\|\s*(?:{_READERS})\b", 0),
        (r"\b(?:sudo|su|passwd|chpasswd|gpg|kinit)\b[^|;&]*<<<\s*(.+)", 0),
        (rf"\bidentified\s+(?:with\s+\S+\s+)?by\s+{_VALUE}", _ANY_CASE),
        (rf"\b(?:password|passphrase|passcode|secret)\s+(?:is|was|to)\s+{_VALUE}", _ANY_CASE),
    )
]
_HEX = re.compile(r"\b[0-9a-fA-F]{32,}\b")
_WORD = re.compile(r"[A-Za-z0-9+_-]{16,}={0,2}|[A-Za-z0-9+/]{20,}={0,2}")
_SECRET_FIELD = re.compile(rf"^(?:.*[_.\-\s:])?{_NAME}$|password|passwd|secret|api[_-]?key", _ANY_CASE)
_REFERENCE = re.compile(r"^[\"']?(?:\$[\w{(]|%\w+%$|<|\{secret\}|\{hash\})")
# Words that are often given as passwords and far more often mean themselves.
_COMMON = frozenset({
    "admin", "administrator", "apple", "changeme", "debian", "default", "false", "guest", "localhost", "master",
    "mysql", "oracle", "passphrase", "passwd", "password", "postgres", "prompt", "public", "redis", "required",
    "secret", "security", "server", "stdin", "super", "token", "ubuntu", "username",
})  # fmt: skip
_LONGEST = 8_192
_SHORTEST = 5


def mask(text: str, found: set[str] | None = None) -> str:
    """The text with every secret masked; values that are named as secrets are added to `found`.

    References such as $TOKEN stay, for they hold no secret. No more than 8,192 characters are answered.
    """
    return _mask_known(text) if found is None else _mask(text, found)


@lru_cache(maxsize=4_096)
def _mask_known(text: str) -> str:
    """Histories repeat themselves, and twenty expressions take their time."""
    return _mask(text, None)


@lru_cache(maxsize=4_096)
def mask_name(text: str) -> str:
    """The name of somebody, with what is a secret for certain masked; logs name people by hashes, which stay."""
    return _mask_certain(text, None)


def _mask_certain(text: str, found: set[str] | None) -> str:
    text = _BLOCK.sub(MASK, text[:_LONGEST])
    for place in _PLACES:
        text = place.sub(lambda match: _mask_last(match, found), text)
    return _VENDORS.sub(MASK, text)


def _mask(text: str, found: set[str] | None) -> str:
    text = _HEX.sub(HASH, _mask_certain(text, found))
    return _WORD.sub(lambda match: MASK if looks_random(match.group()) else match.group(), text)


def mask_words(text: str, secrets: set[str]) -> str:
    """The text with each word masked that is one of the secrets: named as one once, hidden everywhere."""
    if not secrets:
        return text
    return "".join(MASK if part.strip("\"'") in secrets else part for part in re.split(r"(\s+)", text))


def mask_data(value: Any, secrets: set[str] | None = None) -> Any:
    """A JSON value with secrets masked in its texts and under names that tell of secrets."""
    if isinstance(value, str):
        return mask_words(mask(value), secrets or set())
    if isinstance(value, Mapping):
        return {
            key: MASK if item not in (None, "") and is_secret_name(str(key)) else mask_data(item, secrets)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [mask_data(item, secrets) for item in value]
    return value


@lru_cache(maxsize=4_096)
def is_secret_name(name: str) -> bool:
    """Whether a field of this name holds a secret."""
    return bool(_SECRET_FIELD.search(name))


def looks_random(word: str) -> bool:
    """Whether a word looks like encoded bytes: kinds of characters alternate, and hardly any repeats."""
    if word.endswith("=") and len(word) % 4 == 0:
        return True
    if "/" in word and any(part.islower() and part.isalpha() and len(part) > 3 for part in word.split("/")):
        return False
    kinds = [0 if char.islower() else 1 if char.isupper() else 2 if char.isdigit() else 3 for char in word]
    if not {0, 1, 2} <= set(kinds):
        return False
    changes = sum(left != right for left, right in itertools.pairwise(kinds))
    return changes >= len(word) / 4 and _entropy(word) >= 3.2


def _entropy(word: str) -> float:
    shares = [count / len(word) for count in Counter(word).values()]
    return -sum(share * math.log2(share) for share in shares)


def _mask_last(match: re.Match[str], found: set[str] | None) -> str:
    secret = match.group(match.lastindex or 0)
    if _REFERENCE.match(secret):
        return match.group()
    bare = secret.strip("\"'")
    if found is not None and _worth_remembering(bare):
        found.add(bare)
    start, end = (edge - match.start() for edge in match.span(match.lastindex or 0))
    return match.group()[:start] + MASK + match.group()[end:]


def _worth_remembering(word: str) -> bool:
    plain = len(word) >= _SHORTEST and not re.search(r"\s", word) and word[0] not in "/-.<$*"
    return plain and word.lower() not in _COMMON and MASK not in word
