"""Seal every secret under a key id, together with its organisation and integration, and drop the plain column."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from services.integrations.domain import credentials

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_BATCH = 500
_PLAIN: sa.TableClause = sa.table(
    "integration",
    sa.column("id", sa.Uuid),
    sa.column("organization_id", sa.Uuid),
    sa.column("secrets", JSONB),
    sa.column("secret_names", ARRAY(sa.Text)),
    sa.column("key_id", sa.Text),
    sa.column("sealed", sa.LargeBinary),
)


def upgrade() -> None:
    op.add_column(
        "integration",
        sa.Column("secret_names", ARRAY(sa.Text), nullable=False, server_default=sa.text("'{}'::text[]")),
    )
    op.add_column("integration", sa.Column("key_id", sa.Text))
    op.add_column("integration", sa.Column("sealed", sa.LargeBinary))
    _each(_PLAIN.c.secrets != sa.text("'{}'::jsonb"), _seal)
    # locks integration: some dozens of rows an organisation, all of which this revision has just sealed
    op.create_check_constraint(
        op.f("ck_integration_sealed_has_key"), "integration", "(key_id IS NULL) = (sealed IS NULL)"
    )
    op.create_index("ix_integration_key_id", "integration", ["key_id", "id"])
    op.drop_column("integration", "secrets")


def downgrade() -> None:
    op.add_column("integration", sa.Column("secrets", JSONB, nullable=False, server_default=sa.text("'{}'::jsonb")))
    _each(_PLAIN.c.sealed.is_not(None), _unseal)
    op.drop_index("ix_integration_key_id", "integration")
    op.drop_constraint(op.f("ck_integration_sealed_has_key"), "integration", type_="check")
    op.drop_column("integration", "sealed")
    op.drop_column("integration", "key_id")
    op.drop_column("integration", "secret_names")


def _each(which: Any, change: Any) -> None:
    """Go through the rows by id; the key ring is needed only when there are some."""
    connection = op.get_bind()
    # Row-level security does not bind the owner unless forced, so every organisation's rows are seen here.
    last = None
    while True:
        statement = sa.select(_PLAIN).where(which).order_by(_PLAIN.c.id).limit(_BATCH)
        statement = statement if last is None else statement.where(_PLAIN.c.id > last)
        rows = connection.execute(statement).mappings().all()
        if not rows:
            return
        ring = credentials.ring_from_environment()
        for row in rows:
            connection.execute(sa.update(_PLAIN).where(_PLAIN.c.id == row["id"]).values(**change(ring, row)))
        last = rows[-1]["id"]


def _seal(ring: Any, row: Any) -> dict[str, Any]:
    key_id, sealed = credentials.seal(ring, row["organization_id"], row["id"], row["secrets"])
    return {"key_id": key_id, "sealed": sealed, "secret_names": sorted(row["secrets"]), "secrets": {}}


def _unseal(ring: Any, row: Any) -> dict[str, Any]:
    return {"secrets": credentials.unseal(ring, row["organization_id"], row["id"], row["key_id"], row["sealed"])}
