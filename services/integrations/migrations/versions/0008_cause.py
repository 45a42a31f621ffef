"""Which run a delivery says that it comes from."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("hook_delivery", sa.Column("cause", JSONB))


def downgrade() -> None:
    op.drop_column("hook_delivery", "cause")
