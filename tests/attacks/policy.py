"""Who may call what: reads `policy.json`, and writes it anew from the routes: `python -m tests.attacks.policy`.

Each line names a route and the callers that it admits. The file is reviewed like code: a test fails when a route has no
line, or when what the routes declare and what the file says differ.
"""

import json
from pathlib import Path

from shared.policy import PERMISSIONS, ROLES, SCOPES
from tests.attacks.applications import Operation, operations

FILE = Path(__file__).with_name("policy.json")
# Routes that declare no permission: who they are for instead.
PUBLIC = {
    "auth POST /api/v1/auth/register", "auth POST /api/v1/auth/verify-email", "auth POST /api/v1/auth/login",
    "auth POST /api/v1/auth/resend-verification", "auth POST /api/v1/auth/forgot-password",
    "auth POST /api/v1/auth/reset-password", "auth POST /api/v1/auth/refresh", "auth GET /.well-known/jwks.json",
    "integrations POST /api/v1/hooks/{hook_id}",
}  # fmt: skip
ANYBODY_KNOWN = {"auth GET /api/v1/organizations", "auth GET /api/v1/flags", "auth POST /api/v1/auth/logout"}
PLATFORM = {
    "auth PUT /api/v1/users/{user_id}/status", "auth PUT /api/v1/organizations/{organization_id}/status",
    "auth PUT /api/v1/flags/{name}",
}  # fmt: skip
# Nothing is asked of who leaves; to take somebody else out needs this.
SPECIAL = {"auth DELETE /api/v1/organizations/{organization_id}/members/{user_id}": "members:write"}


def read() -> dict[str, list[str]]:
    """The admitted callers of each route: roles, `key` for an API key with every scope, `anonymous`, `platform`."""
    lines: dict[str, list[str]] = json.loads(FILE.read_text())
    return lines


def declared(operation: Operation) -> list[str]:
    """The callers that a route admits, as its code says."""
    if operation.name in PUBLIC:
        return ["anonymous", *ROLES, "key", "platform"]
    if operation.name in PLATFORM:
        return ["platform"]
    if operation.name in ANYBODY_KNOWN:
        return [*ROLES, "key"]
    permission = operation.permission or SPECIAL.get(operation.name)
    if permission is None:
        return [*ROLES]
    admitted = [role for role in ROLES if permission in PERMISSIONS[role]]
    return [*admitted, *(["key"] if permission in SCOPES else [])]


if __name__ == "__main__":
    table = {operation.name: declared(operation) for operation in operations()}
    FILE.write_text(
        json.dumps(table, indent=1).replace("[\n  ", "[").replace(",\n  ", ", ").replace("\n ]", "]") + "\n"
    )
