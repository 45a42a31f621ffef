"""Accounts, organisations, sessions, keys and what else auth owns."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from shared import tenancy

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ROLE_CHECK = "role IN ('owner', 'admin', 'member', 'viewer')"
TENANT_OF_ITSELF = "id = nullif(current_setting('floyo.organization', true), '')::uuid"


def _moment(name: str, *, nullable: bool = False) -> "sa.Column[Any]":
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _id(name: str = "id") -> "sa.Column[Any]":
    return sa.Column(name, sa.Uuid, primary_key=True)


def _owned_by(target: str, name: str, *, primary_key: bool = False) -> "sa.Column[Any]":
    reference = sa.ForeignKey(f"{target}.id", ondelete="CASCADE")
    return sa.Column(name, sa.Uuid, reference, nullable=False, primary_key=primary_key)


def upgrade() -> None:
    """Tables, then who may do what with them."""
    tenancy.open_schema("auth")
    create_people()
    create_doors()
    create_sessions()
    create_records()
    create_log_and_flags()
    create_boxes()
    grant_people()
    grant_rest()


def create_people() -> None:
    op.create_table(
        "account",
        _id(),
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("email_key", sa.Text, nullable=False, unique=True),
        sa.Column("name", sa.Text),
        sa.Column("password_hash", sa.Text, nullable=False),
        sa.Column("platform_admin", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("totp_key_id", sa.Text),
        sa.Column("totp_sealed", sa.LargeBinary),
        sa.Column("totp_step", sa.BigInteger),
        _moment("totp_enabled_at", nullable=True),
        _moment("verified_at", nullable=True),
        _moment("disabled_at", nullable=True),
        _moment("created_at"),
    )
    op.create_table(
        "organization",
        _id(),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("personal", sa.Boolean, nullable=False),
        _moment("disabled_at", nullable=True),
        _moment("created_at"),
    )
    op.create_table(
        "member",
        _owned_by("organization", "organization_id", primary_key=True),
        _owned_by("account", "user_id", primary_key=True),
        sa.Column("role", sa.Text, nullable=False),
        _moment("created_at"),
        sa.CheckConstraint(ROLE_CHECK, name="role"),
    )
    op.create_index(op.f("ix_member_user_id"), "member", ["user_id"])


def create_doors() -> None:
    op.create_table(
        "invitation",
        _id(),
        _owned_by("organization", "organization_id"),
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("email_key", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False, unique=True),
        sa.Column("invited_by", sa.Uuid, nullable=False),
        _moment("created_at"),
        _moment("expires_at"),
        _moment("accepted_at", nullable=True),
        sa.CheckConstraint(ROLE_CHECK, name="role"),
    )
    op.create_index(op.f("ix_invitation_organization_id_id"), "invitation", ["organization_id", "id"])
    op.create_table(
        "api_key",
        _id(),
        _owned_by("organization", "organization_id"),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False, unique=True),
        sa.Column("scopes", ARRAY(sa.Text), nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        _moment("created_at"),
        _moment("expires_at", nullable=True),
    )
    op.create_index(op.f("ix_api_key_organization_id_id"), "api_key", ["organization_id", "id"])


def create_sessions() -> None:
    op.create_table(
        "session",
        _id(),
        _owned_by("account", "user_id"),
        sa.Column("active_organization_id", sa.Uuid, nullable=False),
        sa.Column("user_agent", sa.Text, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        _moment("created_at"),
        _moment("seen_at"),
        _moment("expires_at"),
        _moment("ended_at", nullable=True),
        sa.Column("end_reason", sa.Text),
    )
    op.create_index(op.f("ix_session_user_id_id"), "session", ["user_id", "id"])
    op.create_table(
        "refresh_token",
        sa.Column("digest", sa.LargeBinary, primary_key=True),
        _owned_by("session", "session_id"),
        sa.Column("salt", sa.LargeBinary, nullable=False),
        sa.Column("child", sa.LargeBinary, unique=True),
        _moment("expires_at"),
        _moment("used_at", nullable=True),
    )
    op.create_index(op.f("ix_refresh_token_session_id"), "refresh_token", ["session_id"])
    op.create_table(
        "one_time_token",
        sa.Column("digest", sa.LargeBinary, primary_key=True),
        _owned_by("account", "user_id"),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("email_key", sa.Text, nullable=False),
        _moment("expires_at"),
    )
    op.create_index(op.f("ix_one_time_token_user_id_purpose"), "one_time_token", ["user_id", "purpose"])
    op.create_table(
        "recovery_code",
        _owned_by("account", "user_id", primary_key=True),
        sa.Column("digest", sa.LargeBinary, primary_key=True),
    )


def create_records() -> None:
    op.create_table(
        "signing_key",
        sa.Column("kid", sa.Text, primary_key=True),
        sa.Column("public", sa.Text, nullable=False),
        sa.Column("key_id", sa.Text, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        _moment("signs_from"),
        _moment("shown_until", nullable=True),
    )
    op.create_table(
        "revocation",
        sa.Column("position", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("role", sa.Text),
        _moment("at"),
    )
    op.create_index(op.f("ix_revocation_at"), "revocation", ["at"])
    op.create_table(
        "mail",
        _id(),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("key_id", sa.Text, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        _moment("due_at"),
        _moment("expires_at"),
    )
    op.create_index(op.f("ix_mail_due_at"), "mail", ["due_at"])


def create_log_and_flags() -> None:
    op.create_table(
        "audit_entry",
        _id(),
        sa.Column("organization_id", sa.Uuid, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("details", JSONB, nullable=False),
        sa.Column("trace_id", sa.Text, nullable=False),
        _moment("at"),
    )
    op.create_index(op.f("ix_audit_entry_organization_id_id"), "audit_entry", ["organization_id", "id"])
    op.create_table(
        "flag_override",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("percentage", sa.Integer, nullable=False),
        sa.Column("organizations", ARRAY(sa.Uuid), nullable=False),
        sa.Column("users", ARRAY(sa.Uuid), nullable=False),
        sa.Column("updated_by", sa.Text, nullable=False),
        _moment("updated_at"),
        sa.CheckConstraint("percentage BETWEEN 0 AND 100", name="percentage"),
    )


def create_boxes() -> None:
    op.create_table(
        "outbox",
        sa.Column("position", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("recipient", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("version", sa.SmallInteger, nullable=False),
        sa.Column("body", sa.JSON, nullable=False),
        sa.Column("trace_id", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        _moment("due_at"),
        _moment("delivered_at", nullable=True),
    )
    op.create_index(
        "ix_outbox_undelivered",
        "outbox",
        ["recipient", "key", "position"],
        postgresql_where=sa.text("delivered_at IS NULL"),
    )
    op.create_table("inbox", _id(), _moment("received_at"))
    op.create_index(op.f("ix_inbox_received_at"), "inbox", ["received_at"])


def grant_people() -> None:
    op.execute("ALTER TABLE organization ENABLE ROW LEVEL SECURITY")
    op.execute(
        f"CREATE POLICY tenant ON organization TO auth_api USING ({TENANT_OF_ITSELF}) WITH CHECK ({TENANT_OF_ITSELF})"
    )
    op.execute("CREATE POLICY system ON organization TO auth_system USING (true) WITH CHECK (true)")
    tenancy.grant("auth", "organization", api="SELECT, UPDATE, DELETE")
    for table in ("member", "invitation", "api_key"):
        tenancy.protect("auth", table)
    tenancy.protect("auth", "audit_entry", api="SELECT, INSERT")
    op.execute("REVOKE UPDATE, DELETE ON audit_entry FROM auth_system")  # what happened stays written down
    # Requests see who a member is, never how that person proves it.
    tenancy.grant("auth", "account", api="SELECT (id, email, email_key, name, created_at)")


def grant_rest() -> None:
    for table in ("session", "refresh_token", "one_time_token", "recovery_code", "signing_key", "inbox"):
        tenancy.grant("auth", table, api=None)
    tenancy.grant("auth", "flag_override", api=None)
    tenancy.grant("auth", "revocation", api="SELECT, INSERT", system="SELECT, INSERT, DELETE")
    tenancy.grant("auth", "mail", api="INSERT")
    tenancy.grant("auth", "outbox", api="INSERT")


def downgrade() -> None:
    """Everything goes, children first."""
    for table in (
        "inbox", "outbox", "flag_override", "audit_entry", "mail", "revocation", "signing_key", "recovery_code",
        "one_time_token", "refresh_token", "session", "api_key", "invitation", "member", "organization", "account",
    ):  # fmt: skip
        op.drop_table(table)
    tenancy.close_schema("auth")
