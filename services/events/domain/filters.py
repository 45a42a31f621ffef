"""Capture filters: what an organisation does not want stored is dropped, masked or hashed before it is."""

import hmac
from collections.abc import Callable, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import partial
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy.ext.asyncio import AsyncSession

from services.events.storage import filters
from services.events.storage.log import Draft
from shared import crypto
from shared.service import Service

Conceal = Callable[[Any], str]

MASK = "***"
_MATCHED = ("source", "type", "actor", "subject")


def key_of(service: Service) -> bytes:
    """The deployment's key for hashing, without which nobody can try values against what is stored."""
    return crypto.sign(service.settings.secret_key.get_secret_value(), "capture-filters", b"")


async def apply_all(session: AsyncSession, drafts: Sequence[Draft], key: bytes) -> list[Draft | None]:
    """Each draft as its organisation's rules leave it, None when they drop it."""
    rules = await filters.rules_of(session, {draft.organization_id for draft in drafts})
    if not rules:
        return list(drafts)
    return [apply(rules.get(draft.organization_id, []), draft, key) for draft in drafts]


def apply(rules: Sequence[dict[str, Any]], draft: Draft, key: bytes) -> Draft | None:
    """One draft through rules {action: drop|mask|hash, match: {field: glob}, fields: […]}, in order."""
    for rule in rules:
        if not matches(rule.get("match") or {}, draft):
            continue
        if rule["action"] == "drop":
            return None
        conceal = partial(_conceal, rule["action"], draft.organization_id, key)
        draft = _change(draft, conceal, rule.get("fields") or [])
    return draft


def matches(match: dict[str, str], draft: Draft) -> bool:
    """Whether every named field fits its glob."""
    return all(
        getattr(draft, name) is not None and fnmatchcase(getattr(draft, name), glob)
        for name, glob in match.items()
        if name in _MATCHED
    )


def _change(draft: Draft, conceal: Conceal, fields: Sequence[str]) -> Draft:
    changes: dict[str, Any] = {
        name: conceal(getattr(draft, name))
        for name in fields
        if name in {"actor", "subject"} and getattr(draft, name) is not None
    }
    paths = [name.split(".")[1:] for name in fields if name == "data" or name.startswith("data.")]
    if paths and draft.data is not None:
        holder = {"data": orjson.loads(draft.data)}
        for path in paths:
            _conceal_at(holder, ["data", *path], conceal)
        changes["data"] = orjson.dumps(holder["data"]).decode()
    return replace(draft, **changes) if changes else draft


def _conceal_at(value: Any, path: Sequence[str], conceal: Conceal) -> None:
    if isinstance(value, list):
        for item in value:
            _conceal_at(item, path, conceal)
    elif isinstance(value, dict):
        for name in list(value) if path[0] == "*" else [path[0]]:
            if name not in value or value[name] is None:
                continue
            if len(path) == 1:
                value[name] = conceal(value[name])
            else:
                _conceal_at(value[name], path[1:], conceal)


def _conceal(action: str, organization_id: UUID, key: bytes, value: Any) -> str:
    """A fixed mask, or a keyed digest that is the same for the same value within one organisation."""
    if action == "mask":
        return MASK
    raw = value if isinstance(value, str) else orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
    return "h:" + hmac.digest(key, organization_id.bytes + raw.encode(), "sha256")[:12].hex()
