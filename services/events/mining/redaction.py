"""Masks secrets before anything is counted, so that none can come out of a pattern."""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from services.events.mining import commands
from services.events.mining.commands import VALUE

MASK = "{secret}"
_NAMES = (
    r"(?:pass(?:word|wd|phrase|code)?|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credentials?"
    r"|auth(?:orization)?|cookie|session[_-]?id|otp|pin)"
)

# Running twenty expressions over every text is slow; nearly all texts are cleared by this one.
_HINT = re.compile(
    r"pass|pwd|secret|token|key|cred|auth|cookie|bearer|basic|session|otp|\bpin\b|-----|DEK-|Proc-|://|\$\w{1,8}\$|identified"
    r"|AKIA|ASIA|ABIA|ACCA|AIza|gh[pousr]_|xox|xapp|sk[-_]|rk_|whsec|npm_|pypi-|hf_|_pat_|dop_v1|shp|gl[prdc]|ya29|1//|SG\.|hvs\.|eyJ|floyo_|[A-Za-z0-9+/_-]{20}|[A-Za-z0-9+/]{6}=|\s-[pPuU]"
    r"|echo|(?:\d[ -]?){12}",
    re.IGNORECASE,
)
_KEY_BLOCK = re.compile(r"-----BEGIN[^-]*-----.*?(?:-----END[^-]*-----|\Z)", re.DOTALL)
_KEY_LINE = re.compile(r"(?:-----(?:BEGIN|END)[^\n]*|\b(?:Proc-Type|DEK-Info):[^\n]*)")
_KNOWN = re.compile(
    r"\b(?:(?:AKIA|ASIA|ABIA|ACCA)[0-9A-Z]{12,}|AIza[\w-]{20,}|gh[pousr]_\w{16,}|github_pat_\w{16,}|gl(?:pat|rt|dt|cbt)-[\w-]{12,}"
    r"|xox[a-z]-[\w-]{8,}|xapp-[\w-]{8,}|(?:sk|pk|rk)[-_][\w-]{16,}|whsec_[\w+/=-]{8,}|npm_\w{16,}|pypi-[\w-]{16,}|hf_\w{16,}"
    r"|dckr_pat_[\w-]{10,}|dop_v1_\w{16,}|shp(?:at|ss|ca)_\w{16,}|SG\.[\w.-]{16,}|ya29\.[\w-]+|1//[\w-]{20,}|hvs\.[\w-]{16,}"
    r"|AGE-SECRET-KEY-1\w{16,}|floyo_[\w-]{8,}|eyJ[\w-]{6,}(?:\.[\w-]*){1,2})"
    r"|\$(?:1|2[abxy]|5|6|7|y|argon2\w{1,2}|apr1)\$[^\s:]+"
)
# Of what a key is made, and what stands between its parts; nothing of it is a command but by accident.
_BEGIN, _END = re.compile(r"-----BEGIN [A-Z ]*-----"), re.compile(r"-----END [A-Z ]*-----")
_KEY_TEXT = re.compile(
    r"\s*|\s*[A-Za-z0-9+/_-]{16,}={0,2}\s*|\s*[A-Za-z0-9+/]*[A-Z0-9+/][A-Za-z0-9+/]*={0,2}\s*|[\w-]+:.*"
)
_LONGEST_KEY = 150
_HEX = re.compile(r"\b[0-9a-fA-F]{32,}\b")
_LONG_NUMBER = re.compile(r"\b\d(?:[ -]?\d){11,}\b")
_WORD = re.compile(r"[A-Za-z0-9+/_-]{20,}={0,2}|[A-Za-z0-9+/]{6,}={1,2}(?=$|[\s\"',;:)\]&|])")
# Each expression has the secret as its only group; what stands before it stays.
_NAMED = [
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"\b(?:bearer|basic)\s+{VALUE}",
        rf"[\w.-]*{_NAMES}[\w-]*[\"']?\s*(?:=>|:=|[=:])\s*(?:bearer\s+|basic\s+)?{VALUE}",
        rf"--?[\w-]*{_NAMES}[\w-]*(?:\s+|=){VALUE}",
        rf"\bset[gx]?\s+(?:-\w+\s+)*[\w.-]*{_NAMES}[\w.-]*\s+(.+)",
        r"://[^\s:/@]*:([^\s/@]+)@",
        rf"\bidentified\s+by\s+{VALUE}",
        rf"\b(?:password|passphrase|passcode|pin|secret)\s+(?:is|was)\s+{VALUE}",
    )
]
_SECRET_KEY = re.compile(rf"(?:^|[_.-]|\b){_NAMES}(?:$|[_.-]|\b)|password|secret", re.IGNORECASE)
_MIXED = 0.25
_OTHER = 3
_SHORTEST_REMEMBERED = 5


def redact(text: str, found: set[str] | None = None) -> str:
    """The text with every secret replaced by the mask; values given by name are added to `found`."""
    if not _HINT.search(text) and not commands.HINT.search(text):
        return text
    text = _KEY_BLOCK.sub(MASK, text)
    text = _KEY_LINE.sub(MASK, text)
    for expression in (*_NAMED, *commands.EXPRESSIONS):
        text = expression.sub(lambda match: _mask_group(match, found), text)
    text = _KNOWN.sub(MASK, text)
    text = _HEX.sub("{hash}", text)
    text = _LONG_NUMBER.sub("{n}", text)
    return _WORD.sub(lambda match: MASK if _looks_random(match.group()) else match.group(), text)


def mask_words(text: str, secrets: Collection[str]) -> str:
    """The text with each word that is one of the secrets masked: a password seen once by name is masked everywhere."""
    if not secrets:
        return text
    return " ".join(MASK if word.strip("\"'") in secrets else word for word in text.split(" "))


def pasted(lines: Sequence[str | None]) -> set[str]:
    """Of one person's lines in order those inside of a key that was pasted line by line; the last may look like a word.

    A key ends with the first line that cannot be of one.
    """
    found: set[str] = set()
    inside: list[str] | None = None
    for line in (*lines, None):
        if line is not None and _BEGIN.search(line) and not _END.search(line):
            inside = []
        elif inside is not None:
            if line is None or len(inside) == _LONGEST_KEY or not _KEY_TEXT.fullmatch(line):
                inside = None
            else:
                inside.append(line)
                found.add(line)
    return found - {""}


def redact_data(value: Any, known: Collection[str] = ()) -> Any:
    """A JSON value with secrets masked in texts and under names that tell of them; `known` ones wherever they are."""
    if isinstance(value, str):
        return MASK if value in known else mask_words(redact(value), known)
    if isinstance(value, Mapping):
        return {
            key: MASK if _SECRET_KEY.search(str(key)) and item is not None else redact_data(item, known)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [redact_data(item, known) for item in value]
    return value


def name_secrets(value: Any, found: set[str]) -> None:
    """Adds to `found` what a JSON value names as secrets, in its texts or by its keys."""
    if isinstance(value, str):
        redact(value, found)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            if isinstance(item, str) and _SECRET_KEY.search(str(key)):
                _remember(item, found)
            else:
                name_secrets(item, found)
    elif isinstance(value, list | tuple):
        for item in value:
            name_secrets(item, found)


def _remember(secret: str, found: set[str]) -> None:
    bare = secret.strip("\"'")
    if len(bare) >= _SHORTEST_REMEMBERED and " " not in bare and bare != MASK:
        found.add(bare)


def _mask_group(match: re.Match[str], found: set[str] | None) -> str:
    secret = match.group(1)
    if found is not None:
        _remember(secret, found)
    start, end = match.span(1)
    whole = match.group()
    return whole[: start - match.start()] + MASK + whole[end - match.start() :]


def _looks_random(word: str) -> bool:
    """Whether letters and digits alternate as they do in encoded bytes, and not as in words and paths."""
    if word.endswith("="):
        return True
    kinds = [0 if char.islower() else 1 if char.isupper() else 2 if char.isdigit() else _OTHER for char in word]
    if 1 not in kinds or 0 not in kinds or word.startswith("/"):
        return False
    changes = sum(left != right for left, right in itertools.pairwise(kinds) if left != _OTHER != right)
    return changes >= _MIXED * len(word) and (2 in kinds or changes >= 2 * _MIXED * len(word))
