"""Workflows with their versions and triggers, runs with their steps, approvals, and the plumbing beside them."""

from alembic import op

from shared import tenancy

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SERVICE = "workflows"
TENANT_TABLES = (
    "approval",
    "firing",
    "idempotency_key",
    "run",
    "run_step",
    "workflow",
    "approval_decision",
    "trigger",
    "workflow_version",
)
STATEMENTS = (
    """
    CREATE TABLE approval (
        id UUID NOT NULL,
        organization_id UUID NOT NULL,
        run_id UUID NOT NULL,
        workflow_id UUID NOT NULL,
        key TEXT NOT NULL,
        approvers JSONB NOT NULL,
        required INTEGER NOT NULL,
        status TEXT NOT NULL,
        expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        decided_at TIMESTAMP WITH TIME ZONE,
        CONSTRAINT pk_approval PRIMARY KEY (id),
        CONSTRAINT uq_approval_run_id_key UNIQUE (run_id, key)
    )
    """,
    "CREATE INDEX ix_approval_listed ON approval (organization_id, id)",
    """
    CREATE TABLE firing (
        trigger_id UUID NOT NULL,
        slot TEXT NOT NULL,
        organization_id UUID NOT NULL,
        run_id UUID,
        fired_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT pk_firing PRIMARY KEY (trigger_id, slot)
    )
    """,
    "CREATE INDEX ix_firing_fired_at ON firing (fired_at)",
    """
    CREATE TABLE idempotency_key (
        organization_id UUID NOT NULL,
        route TEXT NOT NULL,
        key TEXT NOT NULL,
        fingerprint BYTEA NOT NULL,
        status SMALLINT,
        body JSON,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT pk_idempotency_key PRIMARY KEY (organization_id, route, key)
    )
    """,
    "CREATE INDEX ix_idempotency_key_created_at ON idempotency_key (created_at)",
    """
    CREATE TABLE inbox (
        id UUID NOT NULL,
        received_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT pk_inbox PRIMARY KEY (id)
    )
    """,
    "CREATE INDEX ix_inbox_received_at ON inbox (received_at)",
    """
    CREATE TABLE outbox (
        position BIGINT GENERATED ALWAYS AS IDENTITY,
        id UUID NOT NULL,
        recipient TEXT NOT NULL,
        key TEXT NOT NULL,
        type TEXT NOT NULL,
        version SMALLINT NOT NULL,
        body JSON NOT NULL,
        trace_id TEXT NOT NULL,
        attempts INTEGER DEFAULT '0' NOT NULL,
        due_at TIMESTAMP WITH TIME ZONE NOT NULL,
        delivered_at TIMESTAMP WITH TIME ZONE,
        CONSTRAINT pk_outbox PRIMARY KEY (position)
    )
    """,
    "CREATE INDEX ix_outbox_undelivered ON outbox (recipient, key, position) WHERE delivered_at IS NULL",
    """
    CREATE TABLE run (
        id UUID NOT NULL,
        organization_id UUID NOT NULL,
        workflow_id UUID NOT NULL,
        version INTEGER NOT NULL,
        status TEXT NOT NULL,
        trigger JSON NOT NULL,
        event JSON,
        input JSON,
        output JSON,
        error JSON,
        cause JSON,
        dry_run BOOLEAN NOT NULL,
        depth SMALLINT NOT NULL,
        trace_id TEXT NOT NULL,
        start_key TEXT,
        concurrency_key TEXT,
        concurrency_limit INTEGER,
        held BOOLEAN DEFAULT false NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        started_at TIMESTAMP WITH TIME ZONE,
        finished_at TIMESTAMP WITH TIME ZONE,
        due_at TIMESTAMP WITH TIME ZONE,
        lease_owner TEXT,
        lease_token BIGINT DEFAULT '0' NOT NULL,
        takeovers INTEGER DEFAULT '0' NOT NULL,
        signals INTEGER DEFAULT '0' NOT NULL,
        CONSTRAINT pk_run PRIMARY KEY (id),
        CONSTRAINT ck_run_status CHECK (status IN ('queued', 'running', 'waiting', 'succeeded', 'failed', 'cancelled')),
        CONSTRAINT uq_run_organization_id_start_key UNIQUE (organization_id, start_key)
    )
    """,
    """
    CREATE INDEX ix_run_concurrency ON run
        (workflow_id, concurrency_key, id)
        WHERE concurrency_key IS NOT NULL AND finished_at IS NULL
    """,
    "CREATE INDEX ix_run_due ON run (due_at) WHERE due_at IS NOT NULL",
    "CREATE INDEX ix_run_due_fairly ON run (organization_id, due_at) WHERE due_at IS NOT NULL",
    "CREATE INDEX ix_run_held ON run (workflow_id, concurrency_key) WHERE held",
    "CREATE INDEX ix_run_listed ON run (organization_id, id)",
    "CREATE INDEX ix_run_of_workflow ON run (workflow_id, id)",
    """
    CREATE TABLE run_step (
        run_id UUID NOT NULL,
        key TEXT NOT NULL,
        organization_id UUID NOT NULL,
        step_id TEXT NOT NULL,
        type TEXT NOT NULL,
        status TEXT NOT NULL,
        attempts INTEGER NOT NULL,
        started_at TIMESTAMP WITH TIME ZONE,
        finished_at TIMESTAMP WITH TIME ZONE,
        due_at TIMESTAMP WITH TIME ZONE,
        input JSON,
        output JSON,
        error JSON,
        state JSON,
        CONSTRAINT pk_run_step PRIMARY KEY (run_id, key)
    )
    """,
    """
    CREATE TABLE workflow (
        id UUID NOT NULL,
        organization_id UUID NOT NULL,
        name TEXT NOT NULL,
        version INTEGER NOT NULL,
        active BOOLEAN NOT NULL,
        origin TEXT,
        created_by TEXT,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
        deleted_at TIMESTAMP WITH TIME ZONE,
        CONSTRAINT pk_workflow PRIMARY KEY (id),
        CONSTRAINT uq_workflow_organization_id_origin UNIQUE (organization_id, origin)
    )
    """,
    "CREATE INDEX ix_workflow_listed ON workflow (organization_id, id)",
    """
    CREATE TABLE approval_decision (
        approval_id UUID NOT NULL,
        decided_by TEXT NOT NULL,
        organization_id UUID NOT NULL,
        decision TEXT NOT NULL,
        comment TEXT,
        decided_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT pk_approval_decision PRIMARY KEY (approval_id, decided_by),
        CONSTRAINT fk_approval_decision_approval_id FOREIGN KEY(approval_id) REFERENCES approval (id)
    )
    """,
    """
    CREATE TABLE trigger (
        id UUID NOT NULL,
        organization_id UUID NOT NULL,
        workflow_id UUID NOT NULL,
        type TEXT NOT NULL,
        spec JSONB NOT NULL,
        active BOOLEAN NOT NULL,
        revision INTEGER NOT NULL,
        anchored_at TIMESTAMP WITH TIME ZONE NOT NULL,
        next_at TIMESTAMP WITH TIME ZONE,
        state JSONB,
        CONSTRAINT pk_trigger PRIMARY KEY (id),
        CONSTRAINT uq_trigger_workflow_id UNIQUE (workflow_id),
        CONSTRAINT fk_trigger_workflow_id FOREIGN KEY(workflow_id) REFERENCES workflow (id)
    )
    """,
    "CREATE INDEX ix_trigger_next ON trigger (next_at) WHERE next_at IS NOT NULL",
    """
    CREATE TABLE workflow_version (
        workflow_id UUID NOT NULL,
        version INTEGER NOT NULL,
        organization_id UUID NOT NULL,
        definition JSONB NOT NULL,
        created_by TEXT,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT pk_workflow_version PRIMARY KEY (workflow_id, version),
        CONSTRAINT fk_workflow_version_workflow_id FOREIGN KEY(workflow_id) REFERENCES workflow (id)
    )
    """,
)


def upgrade() -> None:
    """Make every table, then put the wall between organisations behind each that holds their rows."""
    tenancy.open_schema(SERVICE)
    for statement in STATEMENTS:
        op.execute(statement)
    for table in TENANT_TABLES:
        tenancy.protect(SERVICE, table)
    tenancy.grant(SERVICE, "outbox", api="SELECT, INSERT")
    tenancy.grant(SERVICE, "inbox", api=None)


def downgrade() -> None:
    """Leave an empty database."""
    for table in ("approval_decision", "approval", "run_step", "run", "firing", "trigger", "workflow_version"):
        op.execute(f"DROP TABLE {table}")
    for table in ("workflow", "idempotency_key", "outbox", "inbox"):
        op.execute(f"DROP TABLE {table}")
    tenancy.close_schema(SERVICE)
