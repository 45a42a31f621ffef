"""When an API key was used last, and the session that asked for a link."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nobody knows of earlier uses."""
    op.add_column("api_key", sa.Column("used_at", sa.DateTime(timezone=True)))
    op.add_column("one_time_token", sa.Column("session_id", sa.Uuid))


def downgrade() -> None:
    """It is forgotten."""
    op.drop_column("one_time_token", "session_id")
    op.drop_column("api_key", "used_at")
