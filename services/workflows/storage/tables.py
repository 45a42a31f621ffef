"""The tables of the workflows service."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from shared.database import metadata as build_metadata
from shared.idempotency import idempotency_table
from shared.outbox import inbox_table, outbox_table

metadata = build_metadata()


def _moment(name: str, *, nullable: bool = True) -> "sa.Column[datetime]":
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


workflow = sa.Table(
    "workflow",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("organization_id", sa.Uuid, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("active", sa.Boolean, nullable=False),
    sa.Column("origin", sa.Text),
    sa.Column("created_by", sa.Text),
    _moment("created_at", nullable=False),
    _moment("updated_at", nullable=False),
    _moment("deleted_at"),
    sa.UniqueConstraint("organization_id", "origin"),
    sa.Index("ix_workflow_listed", "organization_id", "id"),
)

workflow_version = sa.Table(
    "workflow_version",
    metadata,
    sa.Column("workflow_id", sa.Uuid, sa.ForeignKey("workflow.id"), primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("organization_id", sa.Uuid, nullable=False),
    sa.Column("definition", JSONB, nullable=False),
    sa.Column("created_by", sa.Text),
    _moment("created_at", nullable=False),
)

trigger = sa.Table(
    "trigger",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("organization_id", sa.Uuid, nullable=False),
    sa.Column("workflow_id", sa.Uuid, sa.ForeignKey("workflow.id"), nullable=False, unique=True),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("spec", JSONB, nullable=False),
    sa.Column("active", sa.Boolean, nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    _moment("anchored_at", nullable=False),
    _moment("next_at"),
    sa.Column("state", JSONB),
    sa.Column("after_id", sa.Uuid, unique=True),
    sa.Index("ix_trigger_next", "next_at", postgresql_where=sa.text("next_at IS NOT NULL")),
)

firing = sa.Table(
    "firing",
    metadata,
    sa.Column("trigger_id", sa.Uuid, primary_key=True),
    sa.Column("slot", sa.Text, primary_key=True),
    sa.Column("organization_id", sa.Uuid, nullable=False),
    sa.Column("run_id", sa.Uuid),
    sa.Column("fired_at", sa.DateTime(timezone=True), nullable=False, index=True),
)

run = sa.Table(
    "run",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("organization_id", sa.Uuid, nullable=False),
    sa.Column("workflow_id", sa.Uuid, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("trigger", sa.JSON, nullable=False),
    sa.Column("event", sa.JSON),
    sa.Column("input", sa.JSON),
    sa.Column("output", sa.JSON),
    sa.Column("error", sa.JSON),
    sa.Column("cause", sa.JSON),
    sa.Column("dry_run", sa.Boolean, nullable=False),
    sa.Column("depth", sa.SmallInteger, nullable=False),
    sa.Column("trace_id", sa.Text, nullable=False),
    sa.Column("concurrency_key", sa.Text),
    sa.Column("concurrency_limit", sa.Integer),
    sa.Column("held", sa.Boolean, nullable=False, server_default=sa.false()),
    _moment("created_at", nullable=False),
    _moment("started_at"),
    _moment("finished_at"),
    _moment("due_at"),
    sa.Column("lease_owner", sa.Text),
    sa.Column("lease_token", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("takeovers", sa.Integer, nullable=False, server_default="0"),
    sa.Column("signals", sa.Integer, nullable=False, server_default="0"),
    sa.Column("output_key", sa.Text),
    _moment("not_before"),
    # Whatever goes on has a moment at which somebody looks at it, or waits for a turn that somebody gives.
    sa.CheckConstraint("finished_at IS NOT NULL OR due_at IS NOT NULL OR held", name="awake"),
    sa.CheckConstraint(
        "status IN ('queued', 'running', 'waiting', 'succeeded', 'failed', 'cancelled')", name="status"
    ),
    sa.Index("ix_run_due", "due_at", postgresql_where=sa.text("due_at IS NOT NULL")),
    sa.Index("ix_run_due_fairly", "organization_id", "due_at", postgresql_where=sa.text("due_at IS NOT NULL")),
    sa.Index("ix_run_listed", "organization_id", "id"),
    sa.Index("ix_run_of_workflow", "workflow_id", "id"),
    sa.Index("ix_run_held", "workflow_id", "concurrency_key", postgresql_where=sa.text("held")),
    sa.Index(
        "ix_run_concurrency", "workflow_id", "concurrency_key", "id",
        postgresql_where=sa.text("concurrency_key IS NOT NULL AND finished_at IS NULL"),
    ),
    postgresql_partition_by="RANGE (id)",
)  # fmt: skip

run_step = sa.Table(
    "run_step",
    metadata,
    sa.Column("run_id", sa.Uuid, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("organization_id", sa.Uuid, nullable=False),
    sa.Column("step_id", sa.Text, nullable=False),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    _moment("started_at"),
    _moment("finished_at"),
    _moment("due_at"),
    sa.Column("input", sa.JSON),
    sa.Column("output", sa.JSON),
    sa.Column("error", sa.JSON),
    sa.Column("state", sa.JSON),
    sa.Column("aside", sa.Integer),
    postgresql_partition_by="RANGE (run_id)",
)

# Outputs over 256 KiB: `run_step.aside` tells their size, `run.output_key` which of them is the run's own.
step_output = sa.Table(
    "step_output",
    metadata,
    sa.Column("run_id", sa.Uuid, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("organization_id", sa.Uuid, nullable=False),
    sa.Column("output", sa.JSON, nullable=False),
    postgresql_partition_by="RANGE (run_id)",
)

# What starts one run however often it is asked: `run:step` of a step that starts another workflow, and the like.
run_start = sa.Table(
    "run_start",
    metadata,
    sa.Column("organization_id", sa.Uuid, primary_key=True),
    sa.Column("start_key", sa.Text(collation="C"), primary_key=True),
    sa.Column("run_id", sa.Uuid, nullable=False, index=True),
)

approval = sa.Table(
    "approval",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("organization_id", sa.Uuid, nullable=False),
    sa.Column("run_id", sa.Uuid, nullable=False),
    sa.Column("workflow_id", sa.Uuid, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("approvers", JSONB, nullable=False),
    sa.Column("required", sa.Integer, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    _moment("expires_at", nullable=False),
    _moment("created_at", nullable=False),
    _moment("decided_at"),
    _moment("superseded_at"),
    sa.Column("form", JSONB),
    sa.Column("requested_by", sa.Text),
    sa.Index("ix_approval_of_step", "run_id", "key", unique=True, postgresql_where=sa.text("superseded_at IS NULL")),
    sa.Index("ix_approval_open", "expires_at", postgresql_where=sa.text("status = 'open'")),
    sa.Index("ix_approval_listed", "organization_id", "id"),
)

approval_decision = sa.Table(
    "approval_decision",
    metadata,
    sa.Column("approval_id", sa.Uuid, sa.ForeignKey("approval.id"), primary_key=True),
    sa.Column("decided_by", sa.Text, primary_key=True),
    sa.Column("organization_id", sa.Uuid, nullable=False),
    sa.Column("decision", sa.Text, nullable=False),
    sa.Column("comment", sa.Text),
    _moment("decided_at", nullable=False),
    sa.Column("answers", JSONB),
)

awaited = sa.Table(
    "awaited",
    metadata,
    sa.Column("trigger_id", sa.Uuid, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("organization_id", sa.Uuid, nullable=False),
    sa.Column("event", JSONB(none_as_null=True)),
    _moment("begun_at"),
    _moment("due_at"),
    _moment("settled_at"),
    _moment("changed_at", nullable=False),
    sa.Index("ix_awaited_due", "trigger_id", "due_at", postgresql_where=sa.text("due_at IS NOT NULL")),
    sa.Index("ix_awaited_changed_at", "changed_at", postgresql_where=sa.text("due_at IS NULL")),
)

pacing = sa.Table(
    "pacing",
    metadata,
    sa.Column("workflow_id", sa.Uuid, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("organization_id", sa.Uuid, nullable=False),
    sa.Column("starts", ARRAY(sa.DateTime(timezone=True)), nullable=False),
    sa.Column("run_id", sa.Uuid),
    sa.Column("until", sa.DateTime(timezone=True), nullable=False, index=True),
)

audience = sa.Table("audience", metadata, sa.Column("organization_id", sa.Uuid, primary_key=True))

erasure = sa.Table(
    "erasure",
    metadata,
    sa.Column("organization_id", sa.Uuid, primary_key=True),
    _moment("asked_at", nullable=False),
)

idempotency_key = idempotency_table(metadata)
outbox = outbox_table(metadata)
inbox = inbox_table(metadata)
