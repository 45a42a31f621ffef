"""The tables of this service, as its migrations leave them."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from shared.database import metadata as new_metadata
from shared.idempotency import idempotency_table
from shared.outbox import inbox_table, outbox_table

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
    sa.Column("refreshing_until", sa.DateTime(timezone=True)),
    sa.Column("refused_at", sa.DateTime(timezone=True)),
    sa.Column("created_by", sa.Text, nullable=False),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=_NOW),
    sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False, server_default=_NOW),
    sa.UniqueConstraint("organization_id", "name"),
    sa.CheckConstraint("(key_id IS NULL) = (sealed IS NULL)", name="sealed_has_key"),
    sa.Index("ix_integration_key_id", "key_id", "id"),
)

authorization_request = sa.Table(
    "authorization_request",
    metadata,
    sa.Column("state", sa.LargeBinary, primary_key=True),
    sa.Column("organization_id", sa.Uuid, nullable=False),
    sa.Column(
        "integration_id", sa.Uuid, sa.ForeignKey("integration.id", ondelete="CASCADE"), nullable=False, index=True
    ),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("redirect_uri", sa.Text, nullable=False),
    sa.Column("verifier", sa.Text, nullable=False),
    sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False, index=True),
)

hook = sa.Table(
    "hook",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("organization_id", sa.Uuid, nullable=False),
    sa.Column(
        "integration_id", sa.Uuid, sa.ForeignKey("integration.id", ondelete="CASCADE"), nullable=False, index=True
    ),
    sa.Column("scheme", sa.Text, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("networks", ARRAY(sa.Text), nullable=False),
    sa.Column("key_id", sa.Text, nullable=False),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=_NOW),
    sa.Index("ix_hook_key_id", "key_id", "id"),
)

hook_delivery = sa.Table(
    "hook_delivery",
    metadata,
    sa.Column("hook_id", sa.Uuid, sa.ForeignKey("hook.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("delivery_id", sa.Text, primary_key=True),
    sa.Column("organization_id", sa.Uuid, nullable=False),
    sa.Column("event", JSONB(none_as_null=True)),
    sa.Column("received_at", sa.DateTime(timezone=True), nullable=False, index=True),
    sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("forwarded_at", sa.DateTime(timezone=True)),
    sa.Column("problem", sa.Text),
    sa.Column("cause", JSONB(none_as_null=True)),
    sa.Index("ix_hook_delivery_due", "due_at", postgresql_where=sa.text("forwarded_at IS NULL")),
)

webhook = sa.Table(
    "webhook",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("organization_id", sa.Uuid, nullable=False, index=True),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("types", ARRAY(sa.Text), nullable=False),
    sa.Column("active", sa.Boolean, nullable=False, server_default=sa.true()),
    sa.Column("failing_since", sa.DateTime(timezone=True)),
    sa.Column("disabled", sa.Text),
    sa.Column("key_id", sa.Text, nullable=False),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=_NOW),
    sa.Index("ix_webhook_key_id", "key_id", "id"),
)

webhook_delivery = sa.Table(
    "webhook_delivery",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("organization_id", sa.Uuid, nullable=False),
    sa.Column("webhook_id", sa.Uuid, sa.ForeignKey("webhook.id", ondelete="CASCADE"), nullable=False),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("data", JSONB, nullable=False),
    sa.Column("status", sa.Text, nullable=False, server_default="pending"),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("attempted_at", sa.DateTime(timezone=True)),
    sa.Column("answered", sa.Integer),
    sa.Column("problem", sa.Text),
    sa.Index("ix_webhook_delivery_webhook_id", "webhook_id", "id"),
    sa.Index("ix_webhook_delivery_due", "due_at", postgresql_where=sa.text("status = 'pending'")),
)

idempotency_key = idempotency_table(metadata)
inbox = inbox_table(metadata)
outbox = outbox_table(metadata)
