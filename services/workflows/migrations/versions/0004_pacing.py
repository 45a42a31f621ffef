"""What throttled and debounced workflows remember of earlier starts."""

from alembic import op

from shared import tenancy

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """One row for each key of a workflow, forgotten once it says nothing any more."""
    op.execute(
        """
        CREATE TABLE pacing (
            workflow_id UUID NOT NULL,
            key TEXT NOT NULL,
            organization_id UUID NOT NULL,
            starts TIMESTAMP WITH TIME ZONE[] NOT NULL,
            run_id UUID,
            until TIMESTAMP WITH TIME ZONE NOT NULL,
            CONSTRAINT pk_pacing PRIMARY KEY (workflow_id, key)
        )
        """
    )
    op.execute("CREATE INDEX ix_pacing_until ON pacing (until)")
    tenancy.protect("workflows", "pacing")


def downgrade() -> None:
    """Every limit begins anew."""
    op.execute("DROP TABLE pacing")
