"""Runs by months that can be dropped; large outputs aside, keys that start one run, approvals asked anew."""

from alembic import op

from shared import tenancy

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

SERVICE = "workflows"
# locks {table}: what there was is read once and not written anew, by the revision that makes it a partition
# locks approval: people decide on them one by one, so that there are thousands at most
# By table: the column that tells the month, and the indexes that stand beside its primary key.
PARTITIONED = {
    "run": (
        "id",
        {
            "ix_run_concurrency": "(workflow_id, concurrency_key, id) WHERE concurrency_key IS NOT NULL"
            " AND finished_at IS NULL",
            "ix_run_due": "(due_at) WHERE due_at IS NOT NULL",
            "ix_run_due_fairly": "(organization_id, due_at) WHERE due_at IS NOT NULL",
            "ix_run_held": "(workflow_id, concurrency_key) WHERE held",
            "ix_run_listed": "(organization_id, id)",
            "ix_run_of_workflow": "(workflow_id, id)",
        },
    ),
    "run_step": ("run_id", {}),
}
KEYS = {"run": "id", "run_step": "run_id, key", "step_output": "run_id, key"}

# First UUIDv7 of a moment: 48 bits of milliseconds, then zeros.
_BOUND = """
CREATE FUNCTION uuid_bound(moment timestamptz) RETURNS uuid LANGUAGE sql IMMUTABLE
AS $$ SELECT (lpad(to_hex(floor(extract(epoch FROM moment) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid $$
"""
# What was there before stays where it is, as the first partition; nothing is copied.
_ATTACH = """
DO $$ BEGIN
    EXECUTE format('ALTER TABLE {table} ATTACH PARTITION {table}_first FOR VALUES FROM (MINVALUE) TO (%L)',
                   uuid_bound(date_trunc('month', now(), 'UTC') + interval '1 month'));
END $$
"""
_ENSURE = """
CREATE FUNCTION ensure_run_partitions(moment timestamptz) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '2s' AS $$
DECLARE
    first timestamptz := date_trunc('month', moment, 'UTC');
    suffix text := '_' || to_char(first AT TIME ZONE 'UTC', 'YYYY_MM');
    name text;
BEGIN
    IF to_regclass('public.run' || suffix) IS NOT NULL THEN
        RETURN false;
    END IF;
    IF first NOT BETWEEN now() - interval '2 months' AND now() + interval '4 months' THEN
        RAISE EXCEPTION 'no partition is made for %', first USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('run partitions'));
    IF to_regclass('public.run' || suffix) IS NOT NULL THEN
        RETURN false;
    END IF;
    FOREACH name IN ARRAY ARRAY['run', 'run_step', 'step_output'] LOOP
        EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)', name || suffix, name,
                       uuid_bound(first), uuid_bound(first + interval '1 month'));
    END LOOP;
    RETURN true;
EXCEPTION WHEN invalid_object_definition THEN
    RETURN false;  -- the first partition reaches as far as that
END $$
"""
# Nobody can retry, start or finish a run of the month between the look and the drop: the lock comes first.
_DROP = """
CREATE FUNCTION drop_run_partition(name text, cutoff timestamptz) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '2s' AS $$
DECLARE
    needed boolean;
BEGIN
    IF NOT EXISTS (SELECT FROM run_partition WHERE run_partition.name = drop_run_partition.name
                   AND run_partition.until <= uuid_bound(cutoff)) THEN
        RAISE EXCEPTION '% is no month of runs that has had its time', name
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    EXECUTE format('LOCK TABLE %I IN ACCESS EXCLUSIVE MODE', name);
    EXECUTE format('SELECT EXISTS (SELECT FROM %I WHERE finished_at IS NULL OR finished_at >= $1)', name)
        INTO needed USING cutoff;
    IF needed THEN
        RETURN false;
    END IF;
    EXECUTE format('DROP TABLE IF EXISTS %I, %I, %I', 'step_output' || substr(name, 4), 'run_step' || substr(name, 4),
                   name);
    RETURN true;
END $$
"""
_PARTITIONS = """
CREATE VIEW run_partition AS
SELECT relname::text AS name,
       substring(pg_get_expr(relpartbound, pg_class.oid) FROM 'TO \\(''([0-9a-f-]+)''\\)')::uuid AS until
  FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid WHERE inhparent = 'public.run'::regclass
"""
_FUNCTIONS = ("ensure_run_partitions(timestamptz)", "drop_run_partition(text, timestamptz)")


def upgrade() -> None:
    """Existing runs become the first partition; the api role sees the whole, never a part."""
    op.execute(_BOUND)
    _keep_start_keys()
    op.execute("ALTER TABLE run ADD COLUMN output_key TEXT, ADD COLUMN not_before TIMESTAMP WITH TIME ZONE")
    op.execute("ALTER TABLE run_step ADD COLUMN aside INTEGER")
    for table in PARTITIONED:
        _partition(table)
    op.execute(
        """
        CREATE TABLE step_output (
            run_id UUID NOT NULL,
            key TEXT NOT NULL,
            organization_id UUID NOT NULL,
            output JSON NOT NULL,
            CONSTRAINT pk_step_output PRIMARY KEY (run_id, key)
        ) PARTITION BY RANGE (run_id)
        """
    )
    op.execute("CREATE TABLE step_output_first (LIKE step_output INCLUDING ALL)")
    op.execute(_ATTACH.format(table="step_output"))
    tenancy.protect(SERVICE, "step_output")
    for statement in (_PARTITIONS, _ENSURE, _DROP):
        op.execute(statement)
    op.execute("GRANT SELECT ON run_partition TO workflows_system")
    for function in _FUNCTIONS:
        op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {function} TO workflows_system")
    op.execute("SELECT ensure_run_partitions(now() + month * interval '1 month') FROM generate_series(0, 3) AS month")
    _let_approvals_be_asked_anew()


def _keep_start_keys() -> None:
    """A key that starts one run stands where no partition keeps it from being unique; those of steps sort by run."""
    op.execute(
        """
        CREATE TABLE run_start (
            organization_id UUID NOT NULL,
            start_key TEXT COLLATE "C" NOT NULL,
            run_id UUID NOT NULL,
            CONSTRAINT pk_run_start PRIMARY KEY (organization_id, start_key)
        )
        """
    )
    op.execute("INSERT INTO run_start SELECT organization_id, start_key, id FROM run WHERE start_key IS NOT NULL")
    op.execute("CREATE INDEX ix_run_start_run_id ON run_start (run_id)")
    tenancy.protect(SERVICE, "run_start")
    op.execute("ALTER TABLE run DROP CONSTRAINT uq_run_organization_id_start_key")
    op.execute("ALTER TABLE run DROP COLUMN start_key")


def _partition(table: str) -> None:
    column, indexes = PARTITIONED[table]
    _withdraw(table)
    op.execute(f"ALTER TABLE {table} RENAME TO {table}_first")
    for name in (f"pk_{table}", *indexes):
        op.execute(f"ALTER INDEX {name} RENAME TO {name}_first")
    op.execute(
        f"CREATE TABLE {table} (LIKE {table}_first INCLUDING DEFAULTS INCLUDING CONSTRAINTS)"
        f" PARTITION BY RANGE ({column})"
    )
    op.execute(f"ALTER TABLE {table} ADD CONSTRAINT pk_{table} PRIMARY KEY ({KEYS[table]})")
    for name, body in indexes.items():
        op.execute(f"CREATE INDEX {name} ON {table} {body}")
    op.execute(_ATTACH.format(table=table))
    tenancy.protect(SERVICE, table)


def _withdraw(table: str) -> None:
    for policy in ("tenant", "system"):
        op.execute(f"DROP POLICY {policy} ON {table}")
    op.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
    op.execute(f"REVOKE ALL ON {table} FROM workflows_api, workflows_system")


def _let_approvals_be_asked_anew() -> None:
    """A step that is retried asks again; what was decided before stays readable."""
    op.execute(
        "ALTER TABLE approval ADD COLUMN superseded_at TIMESTAMP WITH TIME ZONE, ADD COLUMN form JSONB,"
        " ADD COLUMN requested_by TEXT"
    )
    op.execute("ALTER TABLE approval_decision ADD COLUMN answers JSONB")
    op.execute("ALTER TABLE approval DROP CONSTRAINT uq_approval_run_id_key")
    op.execute("CREATE UNIQUE INDEX ix_approval_of_step ON approval (run_id, key) WHERE superseded_at IS NULL")
    op.execute("CREATE INDEX ix_approval_open ON approval (expires_at) WHERE status = 'open'")


def downgrade() -> None:
    """One table each again, with every row and its output inside."""
    op.execute("DROP INDEX ix_approval_open")
    op.execute("DROP INDEX ix_approval_of_step")
    op.execute("DELETE FROM approval_decision USING approval WHERE approval_id = id AND superseded_at IS NOT NULL")
    op.execute("DELETE FROM approval WHERE superseded_at IS NOT NULL")
    op.execute("ALTER TABLE approval DROP COLUMN superseded_at, DROP COLUMN form, DROP COLUMN requested_by")
    op.execute("ALTER TABLE approval_decision DROP COLUMN answers")
    op.execute("ALTER TABLE approval ADD CONSTRAINT uq_approval_run_id_key UNIQUE (run_id, key)")
    for function in _FUNCTIONS:
        op.execute(f"DROP FUNCTION {function}")
    op.execute("DROP VIEW run_partition")
    op.execute(
        "UPDATE run_step SET output = kept.output FROM step_output kept"
        " WHERE kept.run_id = run_step.run_id AND kept.key = run_step.key AND run_step.aside IS NOT NULL"
    )
    op.execute(
        "UPDATE run SET output = kept.output FROM step_output kept WHERE kept.run_id = run.id AND kept.key = output_key"
    )
    op.execute("DROP TABLE step_output")
    for table in PARTITIONED:
        _unite(table)
    op.execute("ALTER TABLE run_step DROP COLUMN aside")
    op.execute("ALTER TABLE run DROP COLUMN output_key, DROP COLUMN not_before, ADD COLUMN start_key TEXT")
    op.execute("UPDATE run SET start_key = run_start.start_key FROM run_start WHERE run_start.run_id = run.id")
    op.execute("ALTER TABLE run ADD CONSTRAINT uq_run_organization_id_start_key UNIQUE (organization_id, start_key)")
    op.execute("DROP TABLE run_start")
    op.execute("DROP FUNCTION uuid_bound(timestamptz)")


def _unite(table: str) -> None:
    _, indexes = PARTITIONED[table]
    op.execute(f"CREATE TABLE {table}_united (LIKE {table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)")
    op.execute(f"INSERT INTO {table}_united SELECT * FROM {table}")  # noqa: S608 - our own names
    op.execute(f"DROP TABLE {table}")
    op.execute(f"ALTER TABLE {table}_united RENAME TO {table}")
    op.execute(f"ALTER TABLE {table} ADD CONSTRAINT pk_{table} PRIMARY KEY ({KEYS[table]})")
    for name, body in indexes.items():
        op.execute(f"CREATE INDEX {name} ON {table} {body}")
    tenancy.protect(SERVICE, table)
