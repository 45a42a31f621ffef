"""What workers write: the progress of many runs in one statement, each only while its fencing token still holds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson

from services.workflows.storage import news
from shared.testing import faults

# The fencing token: what a worker hands in counts only while the run is still its own.
_HELD = "run.lease_token = given.token AND run.status = 'running'"
_STATEMENT = """
    WITH given AS (
        SELECT * FROM json_to_recordset($1::json) AS given (
            id uuid, token bigint, status text, due_at timestamptz, signals int, output json, output_key text,
            error json)
    ), held AS (
        UPDATE run SET status = given.status, output = given.output, output_key = given.output_key, error = given.error,
               due_at = CASE given.status
                   WHEN 'running' THEN clock_timestamp() + make_interval(secs => $3)
                   WHEN 'waiting' THEN CASE WHEN run.signals <> given.signals THEN clock_timestamp()
                                            ELSE given.due_at END
               END,
               lease_owner = CASE WHEN given.status = 'running' THEN run.lease_owner END,
               finished_at = CASE WHEN given.status NOT IN ('running', 'waiting') THEN clock_timestamp() END
          -- By the ids too, so that the runs are looked up even while PostgreSQL knows nothing of the table's size.
          FROM given WHERE run.id = ANY($4::uuid[]) AND run.id = given.id AND {held}
        RETURNING {columns}, run.signals <> given.signals AS is_called
    ), written AS (
        INSERT INTO run_step (run_id, key, organization_id, step_id, type, status, attempts, started_at, finished_at,
                              due_at, input, output, error, state, aside)
        SELECT run_id, key, held.organization_id, step_id, type, step.status, attempts, step.started_at,
               step.finished_at,
               -- What such a step waits for came while it was about to wait.
               CASE WHEN is_called AND step.status = 'waiting' AND type IN ('approval', 'workflow')
                    THEN clock_timestamp() ELSE due_at END,
               input, output, step.error, state, aside
          FROM json_to_recordset($2::json) AS step (
                   run_id uuid, key text, step_id text, type text, status text, attempts int, started_at timestamptz,
                   finished_at timestamptz, due_at timestamptz, input json, output json, error json, state json,
                   aside int)
          JOIN held ON held.id = step.run_id
        ON CONFLICT (run_id, key) DO UPDATE SET
            status = excluded.status, attempts = excluded.attempts, started_at = excluded.started_at,
            finished_at = excluded.finished_at, due_at = excluded.due_at, input = excluded.input,
            output = excluded.output, error = excluded.error, state = excluded.state, aside = excluded.aside
    ){kept}, told AS ({publish})
    SELECT id, cause->>'id' AS parent, cause->>'step' AS parent_step,
           finished_at IS NOT NULL AND cause->>'kind' = 'run' AS ends_a_child
      FROM held
"""
_KEPT = """, kept AS (
        INSERT INTO step_output (run_id, key, organization_id, output)
        SELECT run_id, key, held.organization_id, large.output
          FROM json_to_recordset($5::json) AS large (run_id uuid, key text, output json)
          JOIN held ON held.id = large.run_id
        ON CONFLICT (run_id, key) DO UPDATE SET output = excluded.output
    )"""
_WRITE, _WRITE_ASIDE = (
    _STATEMENT.format(
        held="true" if faults.active("token-unchecked") else _HELD,
        columns=", ".join(f"run.{name}" for name in (*news.COLUMNS.split(", "), "cause")),
        publish=news.PUBLISH.format(ended="held"),
        kept=kept,
    )
    for kept in ("", _KEPT)
)


@dataclass(frozen=True, slots=True)
class Record:
    """The progress of one run: its new status and the rows that changed, as JSON-compatible values."""

    run_id: UUID
    token: int
    status: str
    due_at: Any = None
    signals: int = 0
    output: Any = None
    output_key: str | None = None
    error: Any = None
    steps: tuple[dict[str, Any], ...] = ()
    organization_id: UUID | None = None
    workflow_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """The runs whose token held, and the (run, step) of others that wait for one of them that has now ended."""

    held: set[UUID]
    waiting: list[tuple[UUID, str]]


async def write(connection: Any, records: Sequence[Record], lease_seconds: float) -> Written:
    """Write them all. What came with a token that no longer holds is not written.

    It is one statement on asyncpg's own connection, committed when it returns unless a transaction is open.
    """
    ordered = sorted(records, key=lambda record: record.run_id)
    runs = [
        {"id": record.run_id, "token": record.token, "status": record.status, "due_at": record.due_at,
         "signals": record.signals, "output": record.output, "output_key": record.output_key,
         "error": record.error}
        for record in ordered
    ]  # fmt: skip
    steps = [{"run_id": record.run_id, **step} for record in ordered for step in record.steps]
    large = [{name: step[name] for name in ("run_id", "key", "output")} for step in steps if _is_aside(step)]
    inline = [{**step, "output": None} if _is_aside(step) else step for step in steps] if large else steps
    given = [_dump(runs), _dump(inline), lease_seconds, [record.run_id for record in ordered]]
    if large:
        rows = await connection.fetch(_WRITE_ASIDE, *given, _dump(large))
    else:
        rows = await connection.fetch(_WRITE, *given)
    waiting = [(UUID(row["parent"]), row["parent_step"]) for row in rows if row["ends_a_child"]]
    return Written({row["id"] for row in rows}, waiting)


def _is_aside(step: dict[str, Any]) -> bool:
    return step.get("aside") is not None and step["output"] is not None


def _dump(value: Any) -> str:
    return orjson.dumps(value, default=str).decode()
