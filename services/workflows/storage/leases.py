"""Leases on runs: who may work on a run, until when, and with which fencing token. Only the workers' side.

`due_at` is the one clock of a run: when a queued or waiting run may go on, and when the lease on a running one ends.
A run is due when it has passed, whatever the reason, so nothing that was begun can be forgotten.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY, BIGINT
from sqlalchemy.dialects.postgresql import UUID as UUID_TYPE
from sqlalchemy.ext.asyncio import AsyncSession

LEASE_SECONDS = 10

_CLAIM = """
    WITH RECURSIVE organization AS (
        (SELECT organization_id FROM run WHERE due_at <= now() AND organization_id <> ALL($3::uuid[])
          ORDER BY organization_id LIMIT 1)
        UNION ALL
        SELECT (SELECT next.organization_id FROM run next
                 WHERE next.organization_id > organization.organization_id AND next.due_at <= now()
                   AND next.organization_id <> ALL($3::uuid[])
                 ORDER BY next.organization_id LIMIT 1)
          FROM organization WHERE organization.organization_id IS NOT NULL
    ), present AS (
        SELECT organization_id FROM organization WHERE organization_id IS NOT NULL ORDER BY random()
    ), picked AS (
        SELECT due.id FROM present
          LEFT JOIN unnest($5::uuid[], $6::int[]) AS begun (organization_id, runs) USING (organization_id)
         CROSS JOIN LATERAL (
            SELECT id FROM run WHERE organization_id = present.organization_id AND due_at <= now()
             ORDER BY due_at
             LIMIT least(greatest(1, $2::int / (SELECT count(*)::int FROM present)), $7::int - coalesce(begun.runs, 0))
             FOR UPDATE SKIP LOCKED
        ) due LIMIT $2
    )
    UPDATE run SET status = 'running', lease_token = lease_token + 1, lease_owner = $1,
           due_at = clock_timestamp() + make_interval(secs => $4),
           takeovers = takeovers + (status = 'running')::int,
           started_at = coalesce(started_at, clock_timestamp())
      FROM picked WHERE run.id = picked.id
    RETURNING run.id, organization_id, workflow_id, version, lease_token, takeovers, signals, dry_run, depth, trace_id,
              trigger, event, input, created_at, started_at, clock_timestamp() AS claimed_at,
              greatest(1, $2::int / (SELECT count(*)::int FROM present)) AS share
"""

_RENEW = text(
    """
    UPDATE run SET due_at = clock_timestamp() + make_interval(secs => :seconds)
      FROM unnest(:ids, :tokens) AS held (id, token)
     WHERE run.id = held.id AND run.lease_token = held.token AND run.status = 'running'
    RETURNING run.id
    """
).bindparams(bindparam("ids", type_=ARRAY(UUID_TYPE)), bindparam("tokens", type_=ARRAY(BIGINT)))

_RELEASE = text(
    """
    UPDATE run SET due_at = clock_timestamp(), lease_owner = NULL
      FROM unnest(:ids, :tokens) AS held (id, token)
     WHERE run.id = held.id AND run.lease_token = held.token AND run.status = 'running'
    """
).bindparams(bindparam("ids", type_=ARRAY(UUID_TYPE)), bindparam("tokens", type_=ARRAY(BIGINT)))

_INHERIT = text(
    """
    UPDATE run SET due_at = clock_timestamp(), lease_owner = NULL
     WHERE due_at > now() AND due_at <= now() + make_interval(secs => :seconds) AND status = 'running'
       AND starts_with(lease_owner, :prefix) AND length(lease_owner) = length(:owner) AND lease_owner <> :owner
    """
)

_STEPS = """
    SELECT run_id, key, step_id, type, status, attempts, started_at, finished_at, due_at, input, output, error, state,
           aside
      FROM run_step WHERE run_id = ANY($1::uuid[])
"""


async def claim(connection: Any, owner: str, most: int, begun: Mapping[UUID, int], room: int) -> list[Any]:
    """Lease up to `most` due runs, sharing them out between organisations; none gets beyond `room` with those `begun`.

    It is one statement on asyncpg's own connection, committed when it returns unless a transaction is open.
    """
    full = [identifier for identifier, count in begun.items() if count >= room]
    places = list(begun), list(begun.values())
    return list(await connection.fetch(_CLAIM, owner, most, full, LEASE_SECONDS, *places, room))


async def renew(session: AsyncSession, held: dict[UUID, int]) -> set[UUID]:
    """Renew the leases whose token is still ours, whether or not they have expired; answers those."""
    given = {"ids": list(held), "tokens": list(held.values()), "seconds": LEASE_SECONDS}
    return {row.id for row in await session.execute(_RENEW, given)}


async def release(session: AsyncSession, held: dict[UUID, int]) -> None:
    """Give leases back, so that another worker goes on at once."""
    await session.execute(_RELEASE, {"ids": list(held), "tokens": list(held.values())})


async def inherit(session: AsyncSession, owner: str) -> int:
    """Let go of the runs that earlier lives of this instance hold, and answer how many; `owner` is `instance:life`.

    An instance is one process, so whoever held those is dead; were it not, it would keep those that it renews in time.
    """
    given = {"owner": owner, "prefix": owner[: owner.rindex(":") + 1], "seconds": LEASE_SECONDS}
    return int((await session.execute(_INHERIT, given)).rowcount)  # type: ignore[attr-defined]


async def steps(connection: Any, run_ids: Sequence[UUID]) -> list[Any]:
    """Every stored step of these runs."""
    return list(await connection.fetch(_STEPS, list(run_ids)))


async def next_due(connection: Any) -> tuple[datetime | None, datetime]:
    """The earliest `due_at` of all runs, and the time by the database's clock."""
    row = await connection.fetchrow("SELECT min(due_at) AS due_at, clock_timestamp() AS at FROM run")
    return row["due_at"], row["at"]
