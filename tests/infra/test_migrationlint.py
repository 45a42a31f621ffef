"""Migrations that would hold locks or rewrite large tables are refused unless a reason is written beside them."""

from pathlib import Path

import pytest

from infra.local.migrationlint import Revision, main, revisions

HEAD = '"""A revision."""\n\nfrom alembic import op\n\n\ndef upgrade() -> None:\n'
BAD = (
    'op.execute("CREATE INDEX ix_event_kind ON event (kind)")',
    'op.execute("CREATE UNIQUE INDEX ON ONLY event (kind)")',
    'op.execute(f"CREATE INDEX ix_{name} ON event (kind)")',
    'op.execute("ALTER TABLE event ALTER COLUMN kind TYPE bigint")',
    'op.execute("ALTER TABLE ONLY public.event ALTER kind SET DATA TYPE bigint")',
    'op.execute("ALTER TABLE event ADD COLUMN token uuid NOT NULL DEFAULT gen_random_uuid()")',
    'op.execute("ALTER TABLE event ADD COLUMN number bigserial")',
    'op.execute("ALTER TABLE event ADD CONSTRAINT good CHECK (kind > 0)")',
    'op.execute("ALTER TABLE event ADD FOREIGN KEY (kind) REFERENCES kind (id)")',
    'op.execute("ALTER TABLE event ADD CONSTRAINT one UNIQUE (kind)")',
    'op.execute("ALTER TABLE event ALTER COLUMN kind SET NOT NULL")',
    'op.execute("ALTER TABLE log ATTACH PARTITION event FOR VALUES FROM (1) TO (2)")',
    'op.execute("LOCK TABLE event IN EXCLUSIVE MODE")',
    'op.execute("UPDATE event SET kind = 0")',
    'op.execute("VACUUM FULL event")',
    'op.create_index("ix_event_kind", "event", ["kind"])',
    'op.create_foreign_key(None, "event", "kind", ["kind"], ["id"])',
    'op.alter_column("event", "kind", nullable=False)',
    'op.execute("SET lock_timeout = 0")',
)
GOOD = (
    'op.execute("CREATE INDEX CONCURRENTLY ix_event_kind ON event (kind)")',
    'op.execute("ALTER TABLE event ADD COLUMN kind integer NOT NULL DEFAULT 0")',
    'op.execute("ALTER TABLE event ADD COLUMN at timestamptz NOT NULL DEFAULT now()")',
    'op.execute("ALTER TABLE event ADD CONSTRAINT good CHECK (kind > 0) NOT VALID")',
    'op.execute("ALTER TABLE event VALIDATE CONSTRAINT good")',
    'op.execute("ALTER TABLE event ADD CONSTRAINT one UNIQUE USING INDEX ix_one")',
    'op.create_index("ix_event_kind", "event", ["kind"], postgresql_concurrently=True)',
    'op.execute("CREATE TABLE fresh (id int)"); op.execute("CREATE INDEX ix_fresh ON fresh (id)")',
    'op.create_table("fresh"); op.create_index("ix_fresh", "fresh", ["id"])',
    'op.execute("-- CREATE INDEX ix_event_kind ON event (kind)")',
    "op.execute(\"SET lock_timeout = '2s'\")",
)


def faults(line: str, comment: str = "") -> list[str]:
    return list(Revision(Path("0002_kinds.py"), f"{HEAD}{comment}    {line}\n").faults())


@pytest.mark.parametrize("line", BAD)
def test_what_locks_or_rewrites_is_refused(line: str) -> None:
    assert len(faults(line)) == 1


@pytest.mark.parametrize("line", GOOD)
def test_what_does_not_is_free(line: str) -> None:
    assert faults(line) == []


def test_a_written_reason_lets_it_pass_and_a_lame_one_does_not() -> None:
    line = BAD[0]
    assert faults(line, "    # locks event: nothing is in it before the first release\n") == []
    assert len(faults(line, "    # locks event: is fine\n")) == 1
    assert len(faults(line, "    # locks other: nothing is in it before the first release\n")) == 1


def test_a_downgrade_is_nobodys_deployment() -> None:
    text = (
        f'{HEAD}    pass\n\n\ndef downgrade() -> None:\n    op.execute("CREATE INDEX ix_event_kind ON event (kind)")\n'
    )
    assert list(Revision(Path("0002_kinds.py"), text).faults()) == []


def test_our_own_migrations_are_clean() -> None:
    assert len(revisions()) >= 13
    assert main() == 0
