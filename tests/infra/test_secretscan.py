"""The search for secrets finds real ones wherever they stand, and lets tests have their made-up passwords."""

from pathlib import Path

import pytest

from infra.local import secretscan

# Put together here, so that the search does not find this very file.
KEY = "-----BEGIN " + "RSA PRIVATE KEY-----"
TOKEN = "ghp_" + "a1B2" * 9
PASSWORD = 'password = "' + 'correct horse battery"'


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(secretscan, "ROOT", tmp_path)
    (tmp_path / "tests").mkdir()
    return tmp_path


@pytest.mark.parametrize("place", ["module.py", "tests/test_module.py", "notes.md"])
@pytest.mark.parametrize("secret", [KEY, TOKEN])
def test_credentials_are_found_everywhere(root: Path, place: str, secret: str) -> None:
    (root / place).write_text(f'\nvalue = "{secret}"\n')
    found = list(secretscan.findings([place]))
    assert len(found) == 1
    assert found[0].startswith(f"{place}:2: ")
    assert secret not in found[0]


def test_made_up_passwords_are_for_tests_alone(root: Path) -> None:
    for place in ("module.py", "tests/test_module.py"):
        (root / place).write_text(f"{PASSWORD}\n")
    assert [line.split(":")[0] for line in secretscan.findings(["module.py", "tests/test_module.py"])] == ["module.py"]


def test_every_file_of_the_repository_is_looked_at() -> None:
    paths = secretscan.tracked()
    assert {"docker-compose.yml", "shared/settings.py", "tests/infra/test_secretscan.py", ".env.example"} <= set(paths)
