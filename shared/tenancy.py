"""The second wall between organisations, as migrations build it: grants and row-level security."""

from alembic import op

API_POLICY = "organization_id = nullif(current_setting('floyo.organization', true), '')::uuid"


def protect(service: str, table: str, *, api: str = "SELECT, INSERT, UPDATE, DELETE") -> None:
    """A tenant table: the api role sees its session's organisation, the system role every one."""
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY tenant ON {table} TO {service}_api USING ({API_POLICY}) WITH CHECK ({API_POLICY})")
    op.execute(f"CREATE POLICY system ON {table} TO {service}_system USING (true) WITH CHECK (true)")
    grant(service, table, api=api)


def grant(
    service: str,
    table: str,
    *,
    api: str | None = "SELECT, INSERT, UPDATE, DELETE",
    system: str = "SELECT, INSERT, UPDATE, DELETE",
) -> None:
    """Rights without a policy, for tables that hold no organisation's rows; `api=None` shows nothing to requests."""
    if api:
        op.execute(f"GRANT {api} ON {table} TO {service}_api")
    op.execute(f"GRANT {system} ON {table} TO {service}_system")


def open_schema(service: str) -> None:
    """The first statement of every first revision: both roles may look into the schema, and read its revision."""
    op.execute(f"GRANT USAGE ON SCHEMA public TO {service}_api, {service}_system")
    op.execute(f"GRANT SELECT ON alembic_version TO {service}_api, {service}_system")


def close_schema(service: str) -> None:
    """Undoes `open_schema`."""
    op.execute(f"REVOKE SELECT ON alembic_version FROM {service}_api, {service}_system")
    op.execute(f"REVOKE USAGE ON SCHEMA public FROM {service}_api, {service}_system")
