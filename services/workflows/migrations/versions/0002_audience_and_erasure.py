"""Who is told that runs have ended, and which organisations are to be erased."""

from alembic import op

from shared import tenancy

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Two small tables that only workers write."""
    op.execute(
        "CREATE TABLE audience (organization_id UUID NOT NULL, CONSTRAINT pk_audience PRIMARY KEY (organization_id))"
    )
    op.execute(
        """
        CREATE TABLE erasure (
            organization_id UUID NOT NULL,
            asked_at TIMESTAMP WITH TIME ZONE NOT NULL,
            CONSTRAINT pk_erasure PRIMARY KEY (organization_id)
        )
        """
    )
    tenancy.protect("workflows", "audience", api="SELECT")
    tenancy.protect("workflows", "erasure", api="SELECT")


def downgrade() -> None:
    """Nobody is told; what was to be erased stays."""
    op.execute("DROP TABLE erasure")
    op.execute("DROP TABLE audience")
