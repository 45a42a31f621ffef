"""From where an act of the audit log was done."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Older entries do not tell."""
    op.add_column("audit_entry", sa.Column("address", sa.Text))


def downgrade() -> None:
    """Nobody knows any more."""
    op.drop_column("audit_entry", "address")
