"""No secret that went through the system is found again in its logs, its databases or Redis."""

import base64
import json
import subprocess
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import redis

from infra.local import binaries
from tests.attacks.actors import Actor, dsn
from tests.fixtures.stack import Stack

SERVICES = ("auth", "events", "workflows", "integrations")


def test_secrets_leave_no_trace(stack: Stack, actor: Callable[[], Actor]) -> None:
    person = actor()
    secrets = live_through_everything(person)
    mails = "\n".join(stack.mails(person.email)).replace("=\n", "").replace("=3D", "=")
    assert any(secret in mails for secret in secrets.values()), "the search itself must be able to find something"
    places = dict(everything_kept(stack))
    assert any(person.email in text for text in places.values()), "the search itself must be able to find something"
    found = {
        f"{name} in {place}"
        for place, text in places.items()
        for name, secret in secrets.items()
        for form in forms(secret)
        if form in text
    }
    assert found == set()


def live_through_everything(person: Actor) -> dict[str, str]:
    """Every flow in which a secret passes, in good and in bad; the secrets by name."""
    secrets = {name: f"canary-{name}-{uuid4().hex}" for name in ("wrong", "changed", "connector", "refused")}
    secrets["verification"] = person.mailed("verify-email")
    person.ok("POST", "/auth/verify-email", 204, json={"token": secrets["verification"]})
    person.refused("POST", "/auth/login", 401, json={"email": person.email, "password": secrets["wrong"]})
    person.ok("POST", "/auth/forgot-password", 202, json={"email": person.email})
    secrets["reset"] = person.mailed("reset-password")
    person.ok("POST", "/auth/reset-password", 204, json={"token": secrets["reset"], "password": secrets["changed"]})
    person.password = secrets["changed"]
    person.login()
    secrets["refresh"] = person.pair["refresh_token"]
    secrets["access"] = person.pair["access_token"].rpartition(".")[2]
    key = person.key("events:write")
    secrets["key"] = str(key.token)
    key.ok("POST", "/events", 201, json={"source": "canary", "type": "sung"})
    connect(person, secrets)
    return secrets


def connect(person: Actor, secrets: dict[str, str]) -> None:
    """A credential that is stored, used in vain, and one that is refused."""
    body = {"connector": "github", "name": "canary", "settings": {}, "secrets": {"token": secrets["connector"]}}
    made = person.ok("POST", "/integrations", 201, json=body)
    person.call("POST", f"/integrations/{made['id']}/test")
    person.refused(
        "POST", "/integrations", 422, json={**body, "connector": "none", "secrets": {"x": secrets["refused"]}}
    )
    person.refused("POST", "/integrations", 422, json={**body, "settings": {"x": 1}, "name": "other"})


def everything_kept(stack: Stack) -> Iterator[tuple[str, str]]:
    """Logs, a dump of each database, and whatever Redis holds."""
    for path in sorted((stack.home / "logs").iterdir()):
        yield path.name, path.read_text(errors="replace")
    for service in SERVICES:
        command = [str(binaries.postgres("pg_dump")), dsn(stack, service)]
        yield f"database {service}", subprocess.run(command, capture_output=True, text=True, check=True).stdout
    yield "redis", "\n".join(redis_holds(stack))


def redis_holds(stack: Stack) -> Iterator[str]:
    """Every key and value."""
    port = json.loads((stack.home / "ports.json").read_text())["valkey"]
    password = (stack.home / "secrets" / "redis_floyo").read_text()
    with redis.Redis(port=port, username="floyo", password=password) as client:
        readers: dict[bytes, Callable[[Any], Any]] = {
            b"string": client.get,
            b"hash": client.hgetall,
            b"set": client.smembers,
            b"zset": lambda key: client.zrange(key, 0, -1, withscores=True),
            b"list": lambda key: client.lrange(key, 0, -1),
        }
        for key in client.scan_iter():
            kind = client.type(key)
            yield f"{key!r} {readers[kind](key) if kind in readers else ''!r}"


def forms(secret: str) -> tuple[str, str, str]:
    """As it is, as PostgreSQL shows bytes, and as base64 without its ends."""
    return secret, secret.encode().hex(), base64.b64encode(secret.encode()).decode()[:-4]
