"""Inbound hooks, and each delivery once by the sender's own id."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from shared import tenancy

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "hook",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("organization_id", sa.Uuid, nullable=False),
        sa.Column("integration_id", sa.Uuid, nullable=False),
        sa.Column("scheme", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("networks", ARRAY(sa.Text), nullable=False),
        sa.Column("key_id", sa.Text, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("created_at", _TIME, nullable=False, server_default=sa.text("now()")),
        sa.PrimaryKeyConstraint("id", name="pk_hook"),
        sa.ForeignKeyConstraint(
            ["integration_id"], ["integration.id"], name="fk_hook_integration_id", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_hook_integration_id", "hook", ["integration_id"])
    op.create_index("ix_hook_key_id", "hook", ["key_id", "id"])
    tenancy.protect("integrations", "hook")
    op.create_table(
        "hook_delivery",
        sa.Column("hook_id", sa.Uuid, nullable=False),
        sa.Column("delivery_id", sa.Text, nullable=False),
        sa.Column("organization_id", sa.Uuid, nullable=False),
        sa.Column("event", JSONB),
        sa.Column("received_at", _TIME, nullable=False),
        sa.Column("due_at", _TIME, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("forwarded_at", _TIME),
        sa.Column("problem", sa.Text),
        sa.PrimaryKeyConstraint("hook_id", "delivery_id", name="pk_hook_delivery"),
        sa.ForeignKeyConstraint(["hook_id"], ["hook.id"], name="fk_hook_delivery_hook_id", ondelete="CASCADE"),
    )
    op.create_index("ix_hook_delivery_received_at", "hook_delivery", ["received_at"])
    op.create_index(
        "ix_hook_delivery_due", "hook_delivery", ["due_at"], postgresql_where=sa.text("forwarded_at IS NULL")
    )
    tenancy.protect("integrations", "hook_delivery")


def downgrade() -> None:
    op.drop_table("hook_delivery")
    op.drop_table("hook")
