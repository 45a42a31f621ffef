"""Which run a delivery says that it comes from, so that a chain of runs that goes through hooks is still counted."""

import re
from typing import Any, Final
from uuid import UUID

HEADER: Final = "floyo-cause"
_SHAPE: Final = re.compile(r"run=([0-9a-f-]{36});depth=(\d{1,3})", re.ASCII)


def read(header: str) -> dict[str, Any] | None:
    """{run_id, depth} as requests of runs carry them and receivers may hand on; None for anything else."""
    found = _SHAPE.fullmatch(header.strip())
    if found is None:
        return None
    try:
        return {"run_id": str(UUID(found[1])), "depth": int(found[2])}
    except ValueError:
        return None
