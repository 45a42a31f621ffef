"""What a start does about migrations: the head is read from files, and alembic is left alone when it is reached."""

from pathlib import Path
from typing import Any

import pytest
from alembic.script import ScriptDirectory

from infra.local import migrations
from infra.local.postgres import Postgres
from shared import migrate
from tests.fixtures import databases


@pytest.fixture
def versions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of revisions of a service named `new`."""
    monkeypatch.setattr(migrate, "ROOT", tmp_path)
    folder = tmp_path / "services" / "new" / "migrations" / "versions"
    folder.mkdir(parents=True)
    migrate.head.cache_clear()
    return folder


def add(versions: Path, *lines: str) -> None:
    (versions / f"{len(list(versions.iterdir()))}.py").write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("service", migrate.services())
def test_head_is_what_alembic_finds(service: str) -> None:
    assert migrate.head(service) == ScriptDirectory.from_config(migrate._config(service, "")).get_current_head()


def test_head_of_annotated_and_of_single_quoted_revisions(versions: Path) -> None:
    add(versions, "revision: str = 'a1'", "down_revision: str | None = None")
    add(versions, 'revision: str = "b2"', 'down_revision: str | None = "a1"', 'branch_labels = ("a1",)')
    assert migrate.head("new") == "b2"


def test_no_revision_no_head(versions: Path) -> None:
    assert versions.is_dir()
    assert migrate.head("new") is None


def test_two_heads_are_an_error(versions: Path) -> None:
    for name in ("a1", "b2"):
        add(versions, f'revision = "{name}"', "down_revision = None")
    with pytest.raises(ValueError, match="too many"):
        migrate.head("new")


def test_alembic_is_asked_until_the_database_is_there(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    url = databases.empty(postgres, "auth", "auth_of_a_start")["owner"]
    asked: list[str] = []
    command = migrate._command

    def count(name: str, *arguments: Any) -> None:
        asked.append(name)
        command(name, *arguments)

    monkeypatch.setattr(migrate, "_command", count)
    migrate.downgrade("auth", url, "base")
    assert [migrations.upgrade("auth", url) for _ in range(2)] == [0, 0]
    migrate.downgrade("auth", url, "0001")
    assert [migrations.upgrade("auth", url) for _ in range(2)] == [0, 0]
    assert asked == ["downgrade", "upgrade", "downgrade", "upgrade"]


def test_failure_names_the_service(postgres: Postgres, capsys: pytest.CaptureFixture[str]) -> None:
    assert migrations.upgrade("auth", postgres.dsn("nowhere")) == 1
    assert capsys.readouterr().err.startswith("auth: ")
