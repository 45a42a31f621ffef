"""Keys of events need no hash of what they stand for: nobody compared it.

Processes of the revision before still write it, so that the column itself stays until the next one.
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """New keys leave it empty."""
    op.execute("ALTER TABLE event_key ALTER COLUMN body_hash DROP NOT NULL")


def downgrade() -> None:
    """Keys without a hash get one that is as good as any."""
    op.execute("UPDATE event_key SET body_hash = 0 WHERE body_hash IS NULL")
    op.execute("ALTER TABLE event_key ALTER COLUMN body_hash SET NOT NULL")
