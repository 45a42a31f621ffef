"""Outputs over 256 KiB: kept aside of their steps, and read only by whoever looks at them."""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from services.workflows.storage.tables import step_output

_OF_MANY = "SELECT run_id, key, output FROM step_output WHERE run_id = ANY($1::uuid[])"


async def load(session: AsyncSession, run_id: UUID, keys: Collection[str]) -> dict[str, Any]:
    """The outputs of these steps of one run, by key."""
    statement = sa.select(step_output.c.key, step_output.c.output)
    statement = statement.where(step_output.c.run_id == run_id, step_output.c.key.in_(keys))
    return {row.key: row.output for row in await session.execute(statement)}


async def fill(connection: Any, runs: Sequence[dict[str, Any]]) -> None:
    """Put outputs where runs and their `steps` have them aside, by asyncpg's own connection."""
    wanted = [run for run in runs if any(step["aside"] is not None for step in run["steps"])]
    if not wanted:
        return
    rows = await connection.fetch(_OF_MANY, [run["id"] for run in wanted])
    kept = {(row["run_id"], row["key"]): row["output"] for row in rows}
    for run in wanted:
        for step in run["steps"]:
            if step["aside"] is not None:
                step["output"] = kept.get((run["id"], step["key"]))
        if run["output_key"] is not None:
            run["output"] = kept.get((run["id"], run["output_key"]))
