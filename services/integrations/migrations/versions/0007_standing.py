"""Since when a webhook's receiver fails and why it was disabled; when an integration's authorization was refused."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("webhook", sa.Column("failing_since", _TIME))
    op.add_column("webhook", sa.Column("disabled", sa.Text))
    op.add_column("integration", sa.Column("refused_at", _TIME))


def downgrade() -> None:
    op.drop_column("integration", "refused_at")
    op.drop_column("webhook", "disabled")
    op.drop_column("webhook", "failing_since")
