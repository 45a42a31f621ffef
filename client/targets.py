"""Which Floyo is meant when nobody says."""

import os
from collections.abc import Mapping


def default_url(environment: Mapping[str, str] = os.environ) -> str:
    """FLOYO_URL, else the local stack's gateway on FLOYO_PORT or 8080."""
    return environment.get("FLOYO_URL") or f"http://127.0.0.1:{environment.get('FLOYO_PORT') or 8080}"
