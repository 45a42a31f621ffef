"""The tables of the events service."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from shared import database, idempotency, outbox

metadata = database.metadata()

_TIME = sa.DateTime(timezone=True)

# `event` is partitioned by month of its UUIDv7. Position is (epoch, xid, sequence); see storage/log.py.
event = sa.Table(
    "event",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("organization_id", sa.Uuid, nullable=False),
    sa.Column("epoch", sa.Integer, nullable=False),
    sa.Column("xid", sa.BigInteger, nullable=False),
    sa.Column("sequence", sa.BigInteger, nullable=False),
    sa.Column("external_id", sa.Text),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("actor", sa.Text),
    sa.Column("subject", sa.Text),
    sa.Column("time", _TIME, nullable=False),
    sa.Column("received_at", _TIME, nullable=False),
    sa.Column("data", JSONB(none_as_null=True)),
    sa.Column("extensions", JSONB(none_as_null=True)),
    sa.Index("ix_event_position", "epoch", "xid", "sequence"),
    sa.Index("ix_event_organization_id_time_id", "organization_id", "time", "id"),
    postgresql_partition_by="RANGE (id)",
)

event_key = sa.Table(
    "event_key",
    metadata,
    sa.Column("organization_id", sa.Uuid, primary_key=True),
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("external_id", sa.Text, primary_key=True),
    sa.Column("event_id", sa.Uuid, nullable=False),
    sa.Column("epoch", sa.Integer, nullable=False),
    sa.Column("xid", sa.BigInteger, nullable=False),
    sa.Column("sequence", sa.BigInteger, nullable=False),
    sa.Column("body_hash", sa.BigInteger),  # no longer written
)

log_epoch = sa.Table(
    "log_epoch",
    metadata,
    sa.Column("epoch", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("system_identifier", sa.BigInteger, nullable=False),
    sa.Column("begun_at", _TIME, nullable=False),
)

cursor = sa.Table(
    "cursor",
    metadata,
    sa.Column("consumer", sa.Text, primary_key=True),
    sa.Column("epoch", sa.Integer, nullable=False),
    sa.Column("xid", sa.BigInteger, nullable=False),
    sa.Column("sequence", sa.BigInteger, nullable=False),
    sa.Column("token", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("leased_until", _TIME, nullable=False),
)

subscription = sa.Table(
    "subscription",
    metadata,
    sa.Column("trigger_id", sa.Uuid, primary_key=True),
    sa.Column("organization_id", sa.Uuid, nullable=False),
    sa.Column("workflow_id", sa.Uuid, nullable=False),
    sa.Column("source", sa.Text),
    sa.Column("type", sa.Text),
    sa.Column("subject", sa.Text),
    sa.Column("active", sa.Boolean, nullable=False),
    sa.Column("revision", sa.BigInteger, nullable=False),
    sa.Column("changed_at", _TIME, nullable=False),
    sa.Column("catch_up_from", _TIME),
    sa.Index("ix_subscription_organization_id", "organization_id"),
    sa.Index("ix_subscription_catch_up_from", "catch_up_from", postgresql_where=sa.text("catch_up_from IS NOT NULL")),
)

job = sa.Table(
    "job",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("organization_id", sa.Uuid, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("input", JSONB, nullable=False),
    sa.Column("progress", JSONB, nullable=False),
    sa.Column("accepted", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("duplicates", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("rejected", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("error", sa.Text),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("token", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("due_at", _TIME, nullable=False),
    sa.Column("created_at", _TIME, nullable=False),
    sa.Column("started_at", _TIME),
    sa.Column("finished_at", _TIME),
    sa.Index("ix_job_due_at", "due_at", postgresql_where=sa.text("finished_at IS NULL")),
    sa.Index("ix_job_organization_id_created_at", "organization_id", "created_at"),
)

upload_chunk = sa.Table(
    "upload_chunk",
    metadata,
    sa.Column("job_id", sa.Uuid, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("organization_id", sa.Uuid, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
)

rejection = sa.Table(
    "rejection",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("organization_id", sa.Uuid, nullable=False),
    sa.Column("job_id", sa.Uuid),
    sa.Column("index", sa.BigInteger, nullable=False),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
    sa.Column("received_at", _TIME, nullable=False),
    sa.Index("ix_rejection_organization_id_id", "organization_id", "id"),
    sa.Index("ix_rejection_received_at", "received_at"),
)

capture_filter = sa.Table(
    "capture_filter",
    metadata,
    sa.Column("organization_id", sa.Uuid, primary_key=True),
    sa.Column("rules", JSONB, nullable=False),
    sa.Column("changed_at", _TIME, nullable=False),
)

retention = sa.Table(
    "retention",
    metadata,
    sa.Column("organization_id", sa.Uuid, primary_key=True),
    sa.Column("days", sa.Integer, nullable=False),
    sa.Column("changed_at", _TIME, nullable=False),
)

# `dimension` is total, type or actor; `value` is '' for the total.
stat = sa.Table(
    "stat",
    metadata,
    sa.Column("organization_id", sa.Uuid, primary_key=True),
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("dimension", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, primary_key=True),
    sa.Column("count", sa.BigInteger, nullable=False),
)

pattern = sa.Table(
    "pattern",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("organization_id", sa.Uuid, nullable=False),
    sa.Column("key", sa.LargeBinary, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("steps", JSONB, nullable=False),
    sa.Column("figures", JSONB, nullable=False),
    sa.Column("score", sa.Float, nullable=False),
    sa.Column("evidence", JSONB, nullable=False),
    sa.Column("found_at", _TIME, nullable=False),
    sa.Column("retired_at", _TIME),
    sa.UniqueConstraint("organization_id", "key"),
    sa.Index("ix_pattern_organization_id_score_id", "organization_id", "score", "id"),
)

suggestion = sa.Table(
    "suggestion",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("organization_id", sa.Uuid, nullable=False),
    sa.Column("pattern_id", sa.Uuid, nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("reasoning", sa.Text, nullable=False),
    sa.Column("confidence", sa.Float, nullable=False),
    sa.Column("minutes_per_week", sa.Float, nullable=False),
    sa.Column("score", sa.Float, nullable=False),
    sa.Column("workflow", JSONB, nullable=False),
    sa.Column("evidence", JSONB, nullable=False),
    sa.Column("backtest", JSONB, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("workflow_id", sa.Uuid),
    sa.Column("created_at", _TIME, nullable=False),
    sa.Column("changed_at", _TIME, nullable=False),
    sa.Column("retired_at", _TIME),
    sa.Column("epoch", sa.Integer, nullable=False),
    sa.Column("xid", sa.BigInteger, nullable=False),
    sa.Column("sequence", sa.BigInteger, nullable=False),
    sa.Column("dry_run_id", sa.Uuid),
    sa.Column("person", sa.Text),
    sa.Column("details", JSONB, nullable=False, server_default="{}"),
    sa.UniqueConstraint("organization_id", "pattern_id"),
    sa.Index("ix_suggestion_organization_id_score_id", "organization_id", "score", "id"),
    sa.Index("ix_suggestion_position", "organization_id", "epoch", "xid", "sequence"),
    sa.Index("ix_suggestion_workflow_id", "workflow_id", postgresql_where=sa.text("workflow_id IS NOT NULL")),
)

# `decision` is applied, dismissed, bookmarked, switched_on or switched_off; `certainty` what was claimed then.
decision = sa.Table(
    "decision",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("organization_id", sa.Uuid, nullable=False),
    sa.Column("suggestion_id", sa.Uuid, nullable=False),
    sa.Column("decision", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("certainty", sa.Float, nullable=False),
    sa.Column("decided_by", sa.Text),
    sa.Column("decided_at", _TIME, nullable=False),
    sa.Index("ix_decision_organization_id_suggestion_id", "organization_id", "suggestion_id", "id"),
)

mining_setting = sa.Table(
    "mining_setting",
    metadata,
    sa.Column("organization_id", sa.Uuid, primary_key=True),
    sa.Column("settings", JSONB, nullable=False),
    sa.Column("changed_at", _TIME, nullable=False),
)

# How far an organisation's log has been read by the miner; what it read are chunks of columns, see storage/history.py.
mining_state = sa.Table(
    "mining_state",
    metadata,
    sa.Column("organization_id", sa.Uuid, primary_key=True),
    sa.Column("epoch", sa.Integer, nullable=False),
    sa.Column("xid", sa.BigInteger, nullable=False),
    sa.Column("sequence", sa.BigInteger, nullable=False),
    sa.Column("next_number", sa.BigInteger, nullable=False),
    sa.Column("changed_at", _TIME, nullable=False),
    sa.Column("summary", JSONB, nullable=False),
)

mining_chunk = sa.Table(
    "mining_chunk",
    metadata,
    sa.Column("organization_id", sa.Uuid, primary_key=True),
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("events", sa.Integer, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
)

outbox_message = outbox.outbox_table(metadata)
inbox_message = outbox.inbox_table(metadata)
idempotency_key = idempotency.idempotency_table(metadata)

TENANT_TABLES = (
    event, event_key, subscription, job, upload_chunk, rejection, capture_filter, retention, stat, pattern, suggestion,
    decision, mining_setting, mining_state, mining_chunk, idempotency_key,
)  # fmt: skip
