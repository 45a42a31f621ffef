"""An absence that waits after something has happened, for each key on its own."""

from alembic import op

from shared import tenancy

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


# locks trigger: a column without a default is a change of the catalogue alone
def upgrade() -> None:
    """One row for what is waited for by a key, forgotten some days after it is answered."""
    op.execute("ALTER TABLE trigger ADD COLUMN after_id UUID")
    op.execute("ALTER TABLE trigger ADD CONSTRAINT uq_trigger_after_id UNIQUE (after_id)")
    op.execute(
        """
        CREATE TABLE awaited (
            trigger_id UUID NOT NULL,
            key TEXT NOT NULL,
            organization_id UUID NOT NULL,
            event JSONB,
            begun_at TIMESTAMP WITH TIME ZONE,
            due_at TIMESTAMP WITH TIME ZONE,
            settled_at TIMESTAMP WITH TIME ZONE,
            changed_at TIMESTAMP WITH TIME ZONE NOT NULL,
            CONSTRAINT pk_awaited PRIMARY KEY (trigger_id, key)
        )
        """
    )
    op.execute("CREATE INDEX ix_awaited_due ON awaited (trigger_id, due_at) WHERE due_at IS NOT NULL")
    op.execute("CREATE INDEX ix_awaited_changed_at ON awaited (changed_at) WHERE due_at IS NULL")
    tenancy.protect("workflows", "awaited")


def downgrade() -> None:
    """Absences wait for any silence again."""
    op.execute("DROP TABLE awaited")
    op.execute("ALTER TABLE trigger DROP COLUMN after_id")
