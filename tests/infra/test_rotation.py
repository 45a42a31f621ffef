"""Rotation of credential keys: their order and names, and when old ones may go. The chaos test does it under load."""

import json
from pathlib import Path
from uuid import UUID

import pytest

from infra.local import rotation
from infra.local.home import Home
from services.integrations.domain import credentials
from shared.crypto import KeyRing
from tests.infra.stacks import own_stack


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "home")
    made.make()
    return made


def test_keys_are_read_newest_first_and_replaced_whole(home: Home) -> None:
    (first,) = rotation.read(home)
    assert first[0] == "k1"
    rotation.write(home, [("k2", first[1]), first])
    assert rotation.read(home) == [("k2", first[1]), first]
    path = home.secrets / "credential_keys"
    assert KeyRing.parse(path.read_text()).newest == "k2"
    assert path.stat().st_mode & 0o077 == 0
    assert [item.name for item in home.secrets.iterdir()] == ["credential_keys"]


@pytest.mark.parametrize(("held", "following"), [(["k1"], "k2"), (["k2", "k10"], "k11"), (["a", "b"], "k3")])
def test_a_new_key_has_a_name_of_its_own(held: list[str], following: str) -> None:
    assert rotation._next_id([(name, "") for name in held]) == following


def test_keys_that_are_needed_stay(home: Home) -> None:
    before = rotation.read(home)
    with pytest.raises(rotation.Failed, match="3 rows"):
        rotation.drop(home, {"left": 3})
    assert rotation.read(home) == before


@pytest.mark.e2e
async def test_what_is_stored_follows_and_the_old_key_goes() -> None:
    row = UUID(int=1)
    with own_stack() as stack:
        assert stack.up().returncode == 0
        ring = KeyRing(dict(rotation.read(stack.home)))
        key_id, sealed = credentials.seal(ring, row, row, {"current": "secret"})
        await stack.execute(
            "INSERT INTO webhook (id, organization_id, url, types, key_id, sealed) "
            f"VALUES ('{row}', '{row}', 'https://example.com', '{{}}', '{key_id}', '\\x{sealed.hex()}')",
            "integrations",
        )
        result = stack.run("--only", "credentials", "--drop-old", module="infra.local.rotation")
        assert result.returncode == 0, result.stderr
        told = json.loads(result.stdout.splitlines()[-1])["credentials"]
        assert (told["key"], told["left"], told["unusable"], told["keys"]) == ("k2", 0, 0, ["k2"])
        (stored,) = await stack.execute("SELECT key_id, sealed FROM webhook", "integrations")
        held = KeyRing(dict(rotation.read(stack.home)))
        assert credentials.unseal(held, row, row, stored["key_id"], stored["sealed"]) == {"current": "secret"}
        assert [name for name in stack.processes() if name.startswith("integrations")] == [
            "integrations-1",
            "integrations-worker-1",
        ]
