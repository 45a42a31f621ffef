"""The tables of this service, as its migrations leave them."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from shared.database import metadata as new_metadata
from shared.idempotency import idempotency_table
from shared.outbox import inbox_table

metadata = new_metadata()

_NOW = sa.text("now()")

integration = sa.Table(
    "integration",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("organization_id", sa.Uuid, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("connector", sa.Text, nullable=False),
    sa.Column("settings", JSONB, nullable=False),
    sa.Column("secret_names", ARRAY(sa.Text), nullable=False, server_default=sa.text("'{}'::text[]")),
    sa.Column("key_id", sa.Text),
    sa.Column("sealed", sa.LargeBinary),
    sa.Column("revision", sa.Integer, nullable=False, server_default="1"),
    sa.Column("created_by", sa.Text, nullable=False),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=_NOW),
    sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False, server_default=_NOW),
    sa.UniqueConstraint("organization_id", "name"),
    sa.CheckConstraint("(key_id IS NULL) = (sealed IS NULL)", name="sealed_has_key"),
    sa.Index("ix_integration_key_id", "key_id", "id"),
)

idempotency_key = idempotency_table(metadata)
inbox = inbox_table(metadata)
