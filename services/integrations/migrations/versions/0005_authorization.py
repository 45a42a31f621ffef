"""Authorization requests of OAuth 2.0, and the lease of whoever refreshes a token."""

import sqlalchemy as sa
from alembic import op

from shared import tenancy

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("integration", sa.Column("refreshing_until", _TIME))
    op.create_table(
        "authorization_request",
        sa.Column("state", sa.LargeBinary, nullable=False),
        sa.Column("organization_id", sa.Uuid, nullable=False),
        sa.Column("integration_id", sa.Uuid, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("redirect_uri", sa.Text, nullable=False),
        sa.Column("verifier", sa.Text, nullable=False),
        sa.Column("expires_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("state", name="pk_authorization_request"),
        sa.ForeignKeyConstraint(
            ["integration_id"],
            ["integration.id"],
            name="fk_authorization_request_integration_id",
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_authorization_request_integration_id", "authorization_request", ["integration_id"])
    op.create_index("ix_authorization_request_expires_at", "authorization_request", ["expires_at"])
    tenancy.protect("integrations", "authorization_request")


def downgrade() -> None:
    op.drop_table("authorization_request")
    op.drop_column("integration", "refreshing_until")
