"""The event log, its keys and readers, jobs, patterns and suggestions."""

from alembic import op

from shared import tenancy

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SERVICE = "events"

# First UUIDv7 of a moment: 48 bits of milliseconds, then zeros.
_BOUND = """
CREATE FUNCTION uuid_bound(moment timestamptz) RETURNS uuid LANGUAGE sql IMMUTABLE
AS $$ SELECT (lpad(to_hex(floor(extract(epoch FROM moment) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid $$
"""

_ENSURE = """
CREATE FUNCTION ensure_event_partition(moment timestamptz) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '2s' AS $$
DECLARE
    first timestamptz := date_trunc('month', moment, 'UTC');
    name text := 'event_' || to_char(first AT TIME ZONE 'UTC', 'YYYY_MM');
BEGIN
    IF to_regclass('public.' || name) IS NOT NULL THEN
        RETURN false;
    END IF;
    IF first NOT BETWEEN now() - interval '3 months' AND now() + interval '4 months' THEN
        RAISE EXCEPTION 'no partition is made for %', first USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('event partitions'));
    IF to_regclass('public.' || name) IS NOT NULL THEN
        RETURN false;
    END IF;
    EXECUTE format('CREATE TABLE %I PARTITION OF event FOR VALUES FROM (%L) TO (%L)', name,
                   uuid_bound(first), uuid_bound(first + interval '1 month'));
    RETURN true;
END $$
"""

_DROP = """
CREATE FUNCTION drop_event_partition(name text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '2s' AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_inherits WHERE inhparent = 'public.event'::regclass
                   AND inhrelid = to_regclass('public.' || quote_ident(name))) THEN
        RAISE EXCEPTION '% is no partition of event', name USING ERRCODE = 'invalid_parameter_value';
    END IF;
    EXECUTE format('DROP TABLE %I', name);
END $$
"""

# xids of a restored cluster start anew: from then on, events are written in another epoch.
_EPOCH = """
CREATE FUNCTION begin_epoch() RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO log_epoch (epoch, system_identifier, begun_at)
    SELECT last.epoch + 1, cluster.system_identifier, now()
    FROM pg_control_system() AS cluster,
         (SELECT epoch, system_identifier FROM log_epoch ORDER BY epoch DESC LIMIT 1) AS last
    WHERE last.system_identifier <> cluster.system_identifier
    ON CONFLICT DO NOTHING;
    RETURN (SELECT max(epoch) FROM log_epoch);
END $$
"""

_FUNCTIONS = ("ensure_event_partition(timestamptz)", "begin_epoch()", "drop_event_partition(text)")

_TABLES = {
    "event": """(
        id uuid NOT NULL, organization_id uuid NOT NULL,
        epoch integer NOT NULL, xid bigint NOT NULL, sequence bigint NOT NULL,
        external_id text, source text NOT NULL, type text NOT NULL, actor text, subject text,
        time timestamptz NOT NULL, received_at timestamptz NOT NULL, data jsonb, extensions jsonb,
        CONSTRAINT pk_event PRIMARY KEY (id)) PARTITION BY RANGE (id)""",
    "event_key": """(
        organization_id uuid NOT NULL, source text NOT NULL, external_id text NOT NULL, event_id uuid NOT NULL,
        epoch integer NOT NULL, xid bigint NOT NULL, sequence bigint NOT NULL, body_hash bigint NOT NULL,
        CONSTRAINT pk_event_key PRIMARY KEY (organization_id, source, external_id))""",
    "log_epoch": """(
        epoch integer NOT NULL, system_identifier bigint NOT NULL, begun_at timestamptz NOT NULL,
        CONSTRAINT pk_log_epoch PRIMARY KEY (epoch))""",
    "cursor": """(
        consumer text NOT NULL, epoch integer NOT NULL, xid bigint NOT NULL, sequence bigint NOT NULL,
        token bigint NOT NULL DEFAULT 0, leased_until timestamptz NOT NULL,
        CONSTRAINT pk_cursor PRIMARY KEY (consumer))""",
    "subscription": """(
        trigger_id uuid NOT NULL, organization_id uuid NOT NULL, workflow_id uuid NOT NULL,
        source text, type text, subject text, active boolean NOT NULL,
        revision bigint NOT NULL, changed_at timestamptz NOT NULL, catch_up_from timestamptz,
        CONSTRAINT pk_subscription PRIMARY KEY (trigger_id))""",
    "job": """(
        id uuid NOT NULL, organization_id uuid NOT NULL, kind text NOT NULL, status text NOT NULL,
        input jsonb NOT NULL, progress jsonb NOT NULL,
        accepted bigint NOT NULL DEFAULT 0, duplicates bigint NOT NULL DEFAULT 0, rejected bigint NOT NULL DEFAULT 0,
        error text, attempts integer NOT NULL DEFAULT 0, token bigint NOT NULL DEFAULT 0,
        due_at timestamptz NOT NULL, created_at timestamptz NOT NULL, started_at timestamptz, finished_at timestamptz,
        CONSTRAINT pk_job PRIMARY KEY (id))""",
    "upload_chunk": """(
        job_id uuid NOT NULL, number integer NOT NULL, organization_id uuid NOT NULL, body bytea NOT NULL,
        CONSTRAINT pk_upload_chunk PRIMARY KEY (job_id, number))""",
    "rejection": """(
        id uuid NOT NULL, organization_id uuid NOT NULL, job_id uuid, index bigint NOT NULL,
        type text NOT NULL, detail text NOT NULL, received_at timestamptz NOT NULL,
        CONSTRAINT pk_rejection PRIMARY KEY (id))""",
    "capture_filter": """(
        organization_id uuid NOT NULL, rules jsonb NOT NULL, changed_at timestamptz NOT NULL,
        CONSTRAINT pk_capture_filter PRIMARY KEY (organization_id))""",
    "retention": """(
        organization_id uuid NOT NULL, days integer NOT NULL, changed_at timestamptz NOT NULL,
        CONSTRAINT pk_retention PRIMARY KEY (organization_id))""",
    "stat": """(
        organization_id uuid NOT NULL, day date NOT NULL, dimension text NOT NULL, value text NOT NULL,
        count bigint NOT NULL,
        CONSTRAINT pk_stat PRIMARY KEY (organization_id, day, dimension, value))""",
    "pattern": """(
        id uuid NOT NULL, organization_id uuid NOT NULL, key bytea NOT NULL, kind text NOT NULL,
        steps jsonb NOT NULL, figures jsonb NOT NULL, score double precision NOT NULL, evidence jsonb NOT NULL,
        found_at timestamptz NOT NULL, retired_at timestamptz,
        CONSTRAINT pk_pattern PRIMARY KEY (id),
        CONSTRAINT uq_pattern_organization_id_key UNIQUE (organization_id, key))""",
    "suggestion": """(
        id uuid NOT NULL, organization_id uuid NOT NULL, pattern_id uuid NOT NULL,
        title text NOT NULL, reasoning text NOT NULL, confidence double precision NOT NULL,
        minutes_per_week double precision NOT NULL, score double precision NOT NULL,
        workflow jsonb NOT NULL, evidence jsonb NOT NULL, backtest jsonb NOT NULL,
        status text NOT NULL, workflow_id uuid,
        created_at timestamptz NOT NULL, changed_at timestamptz NOT NULL, retired_at timestamptz,
        epoch integer NOT NULL, xid bigint NOT NULL, sequence bigint NOT NULL,
        CONSTRAINT pk_suggestion PRIMARY KEY (id),
        CONSTRAINT uq_suggestion_organization_id_pattern_id UNIQUE (organization_id, pattern_id))""",
    "idempotency_key": """(
        organization_id uuid NOT NULL, route text NOT NULL, key text NOT NULL, fingerprint bytea NOT NULL,
        status smallint, body json, created_at timestamptz NOT NULL,
        CONSTRAINT pk_idempotency_key PRIMARY KEY (organization_id, route, key))""",
    "outbox": """(
        position bigint GENERATED ALWAYS AS IDENTITY, id uuid NOT NULL, recipient text NOT NULL, key text NOT NULL,
        type text NOT NULL, version smallint NOT NULL, body json NOT NULL, trace_id text NOT NULL,
        attempts integer NOT NULL DEFAULT 0, due_at timestamptz NOT NULL, delivered_at timestamptz,
        CONSTRAINT pk_outbox PRIMARY KEY (position))""",
    "inbox": """(
        id uuid NOT NULL, received_at timestamptz NOT NULL,
        CONSTRAINT pk_inbox PRIMARY KEY (id))""",
}

_INDEXES = (
    "ix_event_position ON event (epoch, xid, sequence)",
    "ix_event_organization_id_time_id ON event (organization_id, time, id)",
    "ix_subscription_organization_id ON subscription (organization_id)",
    "ix_subscription_catch_up_from ON subscription (catch_up_from) WHERE catch_up_from IS NOT NULL",
    "ix_job_due_at ON job (due_at) WHERE finished_at IS NULL",
    "ix_job_organization_id_created_at ON job (organization_id, created_at)",
    "ix_rejection_organization_id_id ON rejection (organization_id, id)",
    "ix_rejection_received_at ON rejection (received_at)",
    "ix_pattern_organization_id_score_id ON pattern (organization_id, score, id)",
    "ix_suggestion_organization_id_score_id ON suggestion (organization_id, score, id)",
    "ix_suggestion_position ON suggestion (organization_id, epoch, xid, sequence)",
    "ix_idempotency_key_created_at ON idempotency_key (created_at)",
    "ix_outbox_undelivered ON outbox (recipient, key, position) WHERE delivered_at IS NULL",
    "ix_inbox_received_at ON inbox (received_at)",
)

_PLAIN = ("log_epoch", "cursor", "outbox", "inbox")
_APPEND_ONLY = ("event", "event_key")


def upgrade() -> None:
    """Everything that the first release needs; partitions from last month on."""
    tenancy.open_schema(SERVICE)
    for name, body in _TABLES.items():
        op.execute(f"CREATE TABLE {name} {body}")
    for index in _INDEXES:
        op.execute(f"CREATE INDEX {index}")
    op.execute("CREATE SEQUENCE event_sequence AS bigint CACHE 1")
    op.execute("GRANT USAGE ON SEQUENCE event_sequence TO events_api, events_system")
    for statement in (_BOUND, _ENSURE, _DROP, _EPOCH):
        op.execute(statement)
    for function in _FUNCTIONS:
        op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION ensure_event_partition, begin_epoch TO events_api, events_system")
    op.execute("GRANT EXECUTE ON FUNCTION drop_event_partition TO events_system")
    _grant()
    op.execute(
        "INSERT INTO log_epoch (epoch, system_identifier, begun_at) SELECT 1, system_identifier, now() "
        "FROM pg_control_system()"
    )
    op.execute("SELECT ensure_event_partition(now() + month * interval '1 month') FROM generate_series(-1, 2) AS month")


def _grant() -> None:
    for name in _TABLES:
        if name not in _PLAIN:
            rights = "SELECT, INSERT" if name in _APPEND_ONLY else "SELECT, INSERT, UPDATE, DELETE"
            tenancy.protect(SERVICE, name, api=rights)
    tenancy.grant(SERVICE, "log_epoch", api="SELECT", system="SELECT")
    tenancy.grant(SERVICE, "cursor", api=None)
    tenancy.grant(SERVICE, "outbox", api="SELECT, INSERT")
    tenancy.grant(SERVICE, "inbox", api=None)


def downgrade() -> None:
    """An empty schema again."""
    for name in reversed(_TABLES):
        op.execute(f"DROP TABLE {name}")
    op.execute("DROP SEQUENCE event_sequence")
    for function in (*_FUNCTIONS, "uuid_bound(timestamptz)"):
        op.execute(f"DROP FUNCTION {function}")
    tenancy.close_schema(SERVICE)
