"""What mining remembers between rounds, what people decided about suggestions, and how they want to be told."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from shared import tenancy

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)
_TABLES = ("decision", "mining_setting", "mining_state", "mining_chunk")


def upgrade() -> None:
    op.add_column("suggestion", sa.Column("dry_run_id", sa.Uuid))
    op.add_column("suggestion", sa.Column("person", sa.Text))
    op.add_column("suggestion", sa.Column("details", JSONB, nullable=False, server_default="{}"))
    # locks suggestion: an organisation holds some dozens of them, and no service reads them before this revision
    op.create_index(
        "ix_suggestion_workflow_id",
        "suggestion",
        ["workflow_id"],
        postgresql_where=sa.text("workflow_id IS NOT NULL"),
    )
    _remember_decisions()
    _remember_reading()
    for name in _TABLES:
        tenancy.protect("events", name)


def _remember_decisions() -> None:
    op.create_table(
        "decision",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("organization_id", sa.Uuid, nullable=False),
        sa.Column("suggestion_id", sa.Uuid, nullable=False),
        sa.Column("decision", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("certainty", sa.Float, nullable=False),
        sa.Column("decided_by", sa.Text),
        sa.Column("decided_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_decision"),
    )
    op.create_index("ix_decision_organization_id_suggestion_id", "decision", ["organization_id", "suggestion_id", "id"])
    op.create_table(
        "mining_setting",
        sa.Column("organization_id", sa.Uuid, nullable=False),
        sa.Column("settings", JSONB, nullable=False),
        sa.Column("changed_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("organization_id", name="pk_mining_setting"),
    )


def _remember_reading() -> None:
    op.create_table(
        "mining_state",
        sa.Column("organization_id", sa.Uuid, nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("xid", sa.BigInteger, nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("next_number", sa.BigInteger, nullable=False),
        sa.Column("changed_at", _TIME, nullable=False),
        sa.Column("summary", JSONB, nullable=False),
        sa.PrimaryKeyConstraint("organization_id", name="pk_mining_state"),
    )
    op.create_table(
        "mining_chunk",
        sa.Column("organization_id", sa.Uuid, nullable=False),
        sa.Column("number", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("events", sa.Integer, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "number", name="pk_mining_chunk"),
    )


def downgrade() -> None:
    for name in reversed(_TABLES):
        op.drop_table(name)
    op.drop_index("ix_suggestion_workflow_id", "suggestion")
    for name in ("details", "person", "dry_run_id"):
        op.drop_column("suggestion", name)
