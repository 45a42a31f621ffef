"""A run that goes on and that nothing would ever wake cannot be stored."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


# locks run: only rows that no loop would ever look at are changed, and nobody works on those
def upgrade() -> None:
    """Rows of before are checked apart, while others work on."""
    op.execute("UPDATE run SET due_at = now() WHERE finished_at IS NULL AND due_at IS NULL AND NOT held")
    op.execute(
        "ALTER TABLE run ADD CONSTRAINT ck_run_awake"
        " CHECK (finished_at IS NOT NULL OR due_at IS NOT NULL OR held) NOT VALID"
    )
    op.execute("ALTER TABLE run VALIDATE CONSTRAINT ck_run_awake")


def downgrade() -> None:
    """Anything may be stored again."""
    op.execute("ALTER TABLE run DROP CONSTRAINT ck_run_awake")
