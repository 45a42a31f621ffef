"""The tables of the auth service."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from shared.database import metadata as build_metadata
from shared.outbox import inbox_table, outbox_table

metadata = build_metadata()


def _moment(name: str, *, nullable: bool = False) -> "sa.Column[Any]":
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _id(name: str = "id") -> "sa.Column[Any]":
    return sa.Column(name, sa.Uuid, primary_key=True)


def _owned_by(target: str, name: str, *, primary_key: bool = False) -> "sa.Column[Any]":
    reference = sa.ForeignKey(f"{target}.id", ondelete="CASCADE")
    return sa.Column(name, sa.Uuid, reference, nullable=False, primary_key=primary_key)


ROLE_CHECK = "role IN ('owner', 'admin', 'member', 'viewer')"

account = sa.Table(
    "account",
    metadata,
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

organization = sa.Table(
    "organization",
    metadata,
    _id(),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("personal", sa.Boolean, nullable=False),
    _moment("disabled_at", nullable=True),
    _moment("created_at"),
)

member = sa.Table(
    "member",
    metadata,
    _owned_by("organization", "organization_id", primary_key=True),
    _owned_by("account", "user_id", primary_key=True),
    sa.Column("role", sa.Text, nullable=False),
    _moment("created_at"),
    sa.CheckConstraint(ROLE_CHECK, name="role"),
    sa.Index(None, "user_id"),
)

invitation = sa.Table(
    "invitation",
    metadata,
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
    sa.Index(None, "organization_id", "id"),
)

api_key = sa.Table(
    "api_key",
    metadata,
    _id(),
    _owned_by("organization", "organization_id"),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("digest", sa.LargeBinary, nullable=False, unique=True),
    sa.Column("scopes", ARRAY(sa.Text), nullable=False),
    sa.Column("created_by", sa.Text, nullable=False),
    _moment("created_at"),
    _moment("expires_at", nullable=True),
    _moment("used_at", nullable=True),
    sa.Index(None, "organization_id", "id"),
)

session = sa.Table(
    "session",
    metadata,
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
    sa.Index(None, "user_id", "id"),
)

refresh_token = sa.Table(
    "refresh_token",
    metadata,
    sa.Column("digest", sa.LargeBinary, primary_key=True),
    _owned_by("session", "session_id"),
    sa.Column("salt", sa.LargeBinary, nullable=False),
    sa.Column("child", sa.LargeBinary, unique=True),
    _moment("expires_at"),
    _moment("used_at", nullable=True),
    sa.Index(None, "session_id"),
)

one_time_token = sa.Table(
    "one_time_token",
    metadata,
    sa.Column("digest", sa.LargeBinary, primary_key=True),
    _owned_by("account", "user_id"),
    sa.Column("purpose", sa.Text, nullable=False),
    sa.Column("email", sa.Text, nullable=False),
    sa.Column("email_key", sa.Text, nullable=False),
    _moment("expires_at"),
    sa.Column("session_id", sa.Uuid),
    sa.Index(None, "user_id", "purpose"),
)

recovery_code = sa.Table(
    "recovery_code",
    metadata,
    _owned_by("account", "user_id", primary_key=True),
    sa.Column("digest", sa.LargeBinary, primary_key=True),
)

signing_key = sa.Table(
    "signing_key",
    metadata,
    sa.Column("kid", sa.Text, primary_key=True),
    sa.Column("public", sa.Text, nullable=False),
    sa.Column("key_id", sa.Text, nullable=False),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    _moment("signs_from"),
    _moment("shown_until", nullable=True),
)

revocation = sa.Table(
    "revocation",
    metadata,
    sa.Column("position", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("role", sa.Text),
    _moment("at"),
    sa.Index(None, "at"),
)

mail = sa.Table(
    "mail",
    metadata,
    _id(),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("key_id", sa.Text, nullable=False),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    _moment("due_at"),
    _moment("expires_at"),
    sa.Index(None, "due_at"),
)

audit_entry = sa.Table(
    "audit_entry",
    metadata,
    _id(),
    sa.Column("organization_id", sa.Uuid, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("target", sa.Text, nullable=False),
    sa.Column("details", JSONB, nullable=False),
    sa.Column("trace_id", sa.Text, nullable=False),
    _moment("at"),
    sa.Column("address", sa.Text),
    sa.Index(None, "organization_id", "id"),
)

flag_override = sa.Table(
    "flag_override",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("enabled", sa.Boolean, nullable=False),
    sa.Column("percentage", sa.Integer, nullable=False),
    sa.Column("organizations", ARRAY(sa.Uuid), nullable=False),
    sa.Column("users", ARRAY(sa.Uuid), nullable=False),
    sa.Column("updated_by", sa.Text, nullable=False),
    _moment("updated_at"),
    sa.CheckConstraint("percentage BETWEEN 0 AND 100", name="percentage"),
)

outbox = outbox_table(metadata)
inbox = inbox_table(metadata)
