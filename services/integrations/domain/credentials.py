"""How secrets are sealed: bound to their organisation and row, so that no row opens another's."""

import os
from collections.abc import Mapping
from pathlib import Path
from uuid import UUID

from shared.crypto import KeyRing, UnsealError


def seal(ring: KeyRing, organization_id: UUID, row_id: UUID, secrets: Mapping[str, str]) -> tuple[str, bytes]:
    """The key id and the sealed secrets of one row."""
    return ring.seal(dict(secrets), _binding(organization_id, row_id))


def unseal(ring: KeyRing, organization_id: UUID, row_id: UUID, key_id: str, sealed: bytes) -> dict[str, str]:
    """The secrets of one row; raises UnsealError, also when they were sealed for another row."""
    value = ring.open(key_id, bytes(sealed), _binding(organization_id, row_id))
    if not isinstance(value, dict):
        raise UnsealError("not a set of secrets")
    return {str(name): str(secret) for name, secret in value.items()}


def ring_from_environment() -> KeyRing:
    """The key ring of FLOYO_CREDENTIAL_KEYS or its secrets file, for migrations, which have no settings object."""
    folder = os.environ.get("FLOYO_SECRETS_DIR")
    files = [path for path in Path(folder).iterdir() if path.name.upper() == "FLOYO_CREDENTIAL_KEYS"] if folder else []
    text = os.environ.get("FLOYO_CREDENTIAL_KEYS") or (files[0].read_text().strip() if files else "")
    if not text:
        raise UnsealError("FLOYO_CREDENTIAL_KEYS is not set, and there are secrets to seal")
    return KeyRing.parse(text)


def _binding(organization_id: UUID, row_id: UUID) -> dict[str, str]:
    return {"organization_id": str(organization_id), "id": str(row_id)}
