"""Integrations with their secrets in plain text, as the system before had them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from shared import tenancy

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_NOW = sa.text("now()")


def upgrade() -> None:
    tenancy.open_schema("integrations")
    op.create_table(
        "integration",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("organization_id", sa.Uuid, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("connector", sa.Text, nullable=False),
        sa.Column("settings", JSONB, nullable=False),
        sa.Column("secrets", JSONB, nullable=False, server_default=sa.text("'{}'::jsonb")),
        sa.Column("revision", sa.Integer, nullable=False, server_default="1"),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=_NOW),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False, server_default=_NOW),
        sa.PrimaryKeyConstraint("id", name="pk_integration"),
        sa.UniqueConstraint("organization_id", "name", name="uq_integration_organization_id_name"),
    )
    tenancy.protect("integrations", "integration")
    op.create_table(
        "idempotency_key",
        sa.Column("organization_id", sa.Uuid, nullable=False),
        sa.Column("route", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.LargeBinary, nullable=False),
        sa.Column("status", sa.SmallInteger),
        sa.Column("body", sa.JSON),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "route", "key", name="pk_idempotency_key"),
    )
    op.create_index("ix_idempotency_key_created_at", "idempotency_key", ["created_at"])
    tenancy.protect("integrations", "idempotency_key")
    op.create_table(
        "inbox",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_inbox"),
    )
    op.create_index("ix_inbox_received_at", "inbox", ["received_at"])
    tenancy.grant("integrations", "inbox", api=None)


def downgrade() -> None:
    op.drop_table("inbox")
    op.drop_table("idempotency_key")
    op.drop_table("integration")
    tenancy.close_schema("integrations")
