"""Who may do what inside an organisation: one table, read by every service."""

from typing import Literal, get_args

Role = Literal["owner", "admin", "member", "viewer"]
ROLES: tuple[Role, ...] = get_args(Role)

_VIEW = frozenset({
    "organization:read", "members:read", "events:read", "patterns:read", "workflows:read", "runs:read",
    "approvals:read", "integrations:read", "webhooks:read", "live:read",
})  # fmt: skip
_WORK = _VIEW | {
    "events:write", "patterns:write", "workflows:write", "runs:write", "approvals:write", "integrations:use",
}  # fmt: skip
_ADMINISTER = _WORK | {
    "organization:write", "members:write", "invitations:write", "api-keys:read", "api-keys:write", "audit:read",
    "integrations:write", "webhooks:write", "events:manage",
}  # fmt: skip
_OWN = _ADMINISTER | {"organization:delete", "organization:transfer"}

PERMISSIONS: dict[Role, frozenset[str]] = {
    "viewer": _VIEW,
    "member": frozenset(_WORK),
    "admin": frozenset(_ADMINISTER),
    "owner": frozenset(_OWN),
}

# What an API key may be granted; `*` stands for all of it. Keys never administer people or other keys.
SCOPES: frozenset[str] = frozenset({"*"}) | (
    PERMISSIONS["admin"]
    - {"organization:write", "members:write", "invitations:write", "api-keys:read", "api-keys:write", "audit:read"}
)


def granted(scopes: frozenset[str]) -> frozenset[str]:
    """The permissions that an API key's scopes stand for."""
    return SCOPES - {"*"} if "*" in scopes else scopes & SCOPES
