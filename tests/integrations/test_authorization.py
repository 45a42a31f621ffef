"""OAuth 2.0: state and redirect guarded, PKCE proven, tokens refreshed by one caller at a time."""

import asyncio
import base64
import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest
import sqlalchemy as sa
from aiohttp import web

from infra.local.home import ROOT
from services.integrations.connector import Authorization
from services.integrations.connectors import dropbox
from services.integrations.deps import Desk
from services.integrations.domain import integrations
from services.integrations.domain.catalog import Catalog
from services.integrations.storage.tables import integration as table
from shared import clock, errors
from shared.service import Service
from tests.integrations.conftest import CREDENTIAL_KEYS, ISSUER, Enter, Person, token
from tests.integrations.targets import Api, Seen
from tests.integrations.test_audit import told
from tests.integrations.test_standing import notices

CALLBACK = f"{ISSUER}/oauth/callback"


@dataclass
class Issuer:
    """Dropbox in small: a token endpoint that checks PKCE and spends refresh tokens, and an API."""

    challenge: str = ""
    refresh_tokens: list[str] = field(default_factory=lambda: ["r0"])
    exchanges: int = 0
    refreshes: int = 0
    lifetime: int = 3600
    failing: int = 0
    access: str = ""

    async def answer(self, seen: Seen) -> web.Response:
        if not seen.path.endswith("/token"):
            good = seen.headers.get("authorization") == f"Bearer {self.access}"
            return web.json_response({}, status=200 if good else 401)
        form = {name: values[0] for name, values in parse_qs(seen.body.decode()).items()}
        if self.failing:
            return web.json_response({"error": "invalid_grant"}, status=self.failing)
        if form["grant_type"] == "authorization_code":
            self.exchanges += 1
            proof = base64.urlsafe_b64encode(sha256(form["code_verifier"].encode()).digest()).rstrip(b"=").decode()
            if proof != self.challenge or form["code"] != "good" or form["redirect_uri"] != CALLBACK:
                return web.json_response({"error": "invalid_grant"}, status=400)
        else:
            self.refreshes += 1
            await asyncio.sleep(0.2)
            if form["refresh_token"] != self.refresh_tokens[-1]:
                return web.json_response({"error": "invalid_grant"}, status=400)
            self.refresh_tokens.append(f"r{self.refreshes}")
            self.lifetime = 3600
        self.access = f"access-{self.exchanges}-{self.refreshes}"
        tokens = {"access_token": self.access, "refresh_token": self.refresh_tokens[-1], "expires_in": self.lifetime}
        return web.json_response(tokens)


@pytest.fixture
async def issuer(service_integrations: Service) -> AsyncIterator[tuple[Issuer, Api]]:
    subject = Issuer()
    api = await Api(subject.answer).start()
    endpoints = Authorization("https://www.dropbox.example/authorize", f"{api.url}/token", extra={"a": "b"})
    desk = service_integrations.part(Desk)
    policy = desk.outlets.egress.policy
    object.__setattr__(policy, "allow", policy.allow | {("127.0.0.1", api.port)})
    kinds = {kind.id: kind for kind in desk.catalog.all()}
    kinds["dropbox"] = replace(dropbox.CONNECTOR, authorization=endpoints)
    service_integrations.attach(replace(desk, catalog=Catalog(kinds)))
    yield subject, api
    await api.stop()


async def connect(person: Person, api: Api) -> str:
    settings = {"api_url": f"{api.url}/2", "content_url": f"{api.url}/c"}
    made = await person.create("dropbox", settings, {"client_id": "floyo", "client_secret": "oauth-secret-1"})
    return str(made["id"])


async def begin(person: Person, integration: str, issuer: Issuer) -> str:
    answer = await person.api.post(f"/integrations/{integration}/authorize", json={"redirect_uri": CALLBACK})
    assert answer.status_code == 200, answer.text
    query = parse_qs(urlsplit(answer.json()["url"]).query)
    assert (query["client_id"], query["code_challenge_method"], query["a"]) == (["floyo"], ["S256"], ["b"])
    issuer.challenge = query["code_challenge"][0]
    return str(query["state"][0])


async def complete(person: Person, integration: str, state: str, code: str = "good") -> Any:
    return await person.api.post(f"/integrations/{integration}/authorize/complete", json={"state": state, "code": code})


async def test_a_person_authorizes_once(
    service_integrations: Service, admin: Person, issuer: tuple[Issuer, Api]
) -> None:
    subject, api = issuer
    integration = await connect(admin, api)
    done = await complete(admin, integration, await begin(admin, integration, subject))
    assert done.status_code == 200, done.text
    assert "access_token" in done.json()["secret_names"]
    assert subject.access not in done.text
    assert (await admin.api.post(f"/integrations/{integration}/test")).json()["ok"] is True
    acts = await told(service_integrations, admin)
    assert [body["action"] for body in acts] == ["integration.created", "integration.authorized", "integration.tested"]
    assert subject.access not in str(acts)


async def test_b73_states_that_are_missing_spent_or_somebody_elses(
    admin: Person, enter: Enter, issuer: tuple[Issuer, Api]
) -> None:
    subject, api = issuer
    integration, other = await connect(admin, api), await connect(admin, api)
    colleague = await enter("admin", admin.organization_id)
    state = await begin(admin, integration, subject)
    for answer in (
        await complete(admin, integration, "unknown"),
        await complete(colleague, integration, state),
        await complete(admin, other, state),
    ):
        assert (answer.status_code, answer.json()["type"]) == (400, "urn:floyo:problem:invalid-state")
    assert subject.exchanges == 0
    assert (await complete(admin, integration, state)).status_code == 200
    assert (await complete(admin, integration, state)).status_code == 400
    assert subject.exchanges == 1
    elsewhere = await begin(admin, integration, subject)
    admin.api.headers["Authorization"] = f"Bearer {token(admin.organization_id, admin.user_id, 'admin')}"
    assert (await complete(admin, integration, elsewhere)).json()["type"] == "urn:floyo:problem:invalid-state"
    missing = await admin.api.post(f"/integrations/{integration}/authorize/complete", json={"code": "good"})
    assert missing.status_code == 422
    refused = await complete(admin, integration, await begin(admin, integration, subject), "bad")
    assert refused.json()["type"] == "urn:floyo:problem:credential-refused"


@pytest.mark.parametrize(
    "redirect",
    [
        "//evil.example",
        "/\\evil.example",
        f"{CALLBACK}/../x",
        f"{CALLBACK}x",
        "https://evil.example/oauth/callback",
        ISSUER,
    ],
)
async def test_b74_redirects_are_exact(admin: Person, issuer: tuple[Issuer, Api], redirect: str) -> None:
    integration = await connect(admin, issuer[1])
    answer = await admin.api.post(f"/integrations/{integration}/authorize", json={"redirect_uri": redirect})
    assert answer.status_code == 400


async def test_one_refresh_for_many_callers(
    admin: Person, issuer: tuple[Issuer, Api], service_integrations: Service
) -> None:
    """Refresh tokens are good once: a second refresh at the same time would lock the person out."""
    subject, api = issuer
    subject.lifetime = 30
    integration = await connect(admin, api)
    await complete(admin, integration, await begin(admin, integration, subject))
    answers = await asyncio.gather(*(admin.api.post(f"/integrations/{integration}/test") for _ in range(8)))
    assert [answer.json()["ok"] for answer in answers] == [True] * 8
    assert subject.refreshes == 1
    async with service_integrations.database.session(admin.organization_id) as session:
        row = await integrations.get(session, admin.organization_id, UUID(integration))
    held = integrations.unseal(service_integrations.part(Desk).ring, row)
    assert (held["refresh_token"], held["client_secret"]) == ("r1", "oauth-secret-1")
    assert json.dumps(sorted(row.secret_names)) == json.dumps(
        ["access_token", "client_id", "client_secret", "expires_at", "refresh_token"]
    )


async def test_a_refresh_that_fails_is_told(admin: Person, issuer: tuple[Issuer, Api]) -> None:
    subject, api = issuer
    subject.lifetime = 30
    integration = await connect(admin, api)
    await complete(admin, integration, await begin(admin, integration, subject))
    path = f"/integrations/{integration}/actions/list_folder"
    for status, slug, retryable in [(503, "target-refused", True), (400, "credential-refused", False)]:
        subject.failing = status
        problem = (await admin.api.post(path, json={})).json()
        assert (problem["type"], problem["retryable"]) == (f"urn:floyo:problem:{slug}", retryable)
        tested = (await admin.api.post(f"/integrations/{integration}/test")).json()
        assert (tested["ok"], tested["problem"]["retryable"]) == (False, retryable)
    subject.failing = 0
    assert (await admin.api.post(f"/integrations/{integration}/test")).json()["ok"] is True


async def test_a_refusal_shows_and_is_told_once(
    admin: Person, issuer: tuple[Issuer, Api], service_integrations: Service
) -> None:
    subject, api = issuer
    subject.lifetime = 30
    integration = await connect(admin, api)
    await complete(admin, integration, await begin(admin, integration, subject))
    path, seen = f"/integrations/{integration}", []
    for status in (503, 400, 400, 0):
        subject.failing = status
        await admin.api.post(f"{path}/test")
        seen.append((await admin.api.get(path)).json()["credential"])
    assert seen == ["good", "refused", "refused", "good"]
    (told,) = await notices(service_integrations, admin)
    assert (told["kind"], told["target"]) == ("authorization-refused", integration)


async def test_a_database_that_is_away_loses_no_token(
    admin: Person, issuer: tuple[Issuer, Api], service_integrations: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The issuer has rotated the refresh token already; what it answered is kept until it can be stored."""
    subject, api = issuer
    subject.lifetime = 30
    integration = await connect(admin, api)
    await complete(admin, integration, await begin(admin, integration, subject))
    keep, failures = integrations.keep_tokens, [errors.Unavailable("database-unavailable", "")] * 3

    async def failing(*arguments: Any) -> dict[str, str]:
        if failures:
            raise failures.pop()
        return await keep(*arguments)

    monkeypatch.setattr(integrations, "keep_tokens", failing)
    assert (await admin.api.post(f"/integrations/{integration}/test")).json()["ok"] is True
    assert (failures, subject.refreshes) == ([], 1)


@pytest.mark.parametrize("grace", [True, False])
async def test_a_crash_between_answer_and_commit(
    admin: Person, issuer: tuple[Issuer, Api], service_integrations: Service, *, grace: bool
) -> None:
    """Nobody else knows the new token then. The old one is shown again once the lease is over: issuers that allow for
    that go on, the others refuse, and the refusal is seen and told.
    """
    subject, api = issuer
    subject.lifetime = 30
    integration = await connect(admin, api)
    await complete(admin, integration, await begin(admin, integration, subject))
    config = service_integrations.settings
    values = {
        "ENVIRONMENT": "test",
        "SECRET_KEY": config.secret_key.get_secret_value(),
        "DATABASE_URL": config.database_url.get_secret_value(),
        "SYSTEM_DATABASE_URL": config.system_database_url.get_secret_value(),
        "REDIS_URL": config.redis_url.get_secret_value(),
        "SERVICE_KEY": config.service_key.get_secret_value(),
        "SERVICE_PUBLIC_KEYS": json.dumps(config.service_public_keys),
        "CREDENTIAL_KEYS": CREDENTIAL_KEYS,
        "EGRESS_ALLOW": f"127.0.0.1:{api.port}",
        "FAULTS": "failpoints=" + str(charge_failpoint("tokens-before-commit")),
    }
    environment = {**os.environ, **{f"FLOYO_{name}": value for name, value in values.items()}}
    arguments = [str(admin.organization_id), integration, f"{api.url}/token"]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.integrations.refreshing", *arguments, cwd=ROOT, env=environment
    )
    assert await process.wait() == 137
    assert subject.refresh_tokens == ["r0", "r1"]
    if grace:
        subject.refresh_tokens.append("r0")
    async with service_integrations.database.system() as session:
        over = sa.update(table).where(table.c.id == integration).values(refreshing_until=clock.now())
        await session.execute(over)
    assert (await admin.api.post(f"/integrations/{integration}/test")).json()["ok"] is grace
    shown = (await admin.api.get(f"/integrations/{integration}")).json()["credential"]
    assert shown == ("good" if grace else "refused")
    assert len(await notices(service_integrations, admin)) == (0 if grace else 1)


def charge_failpoint(name: str) -> Path:
    """A folder in which one failpoint stands ready to fire at its first pass."""
    folder = Path(tempfile.mkdtemp(prefix="floyo-failpoint-"))
    (folder / name).write_text("0")
    return folder


async def test_connectors_without_oauth(admin: Person) -> None:
    made = await admin.create("http", {"base_url": "https://api.example.com"}, {})
    answer = await admin.api.post(f"/integrations/{made['id']}/authorize", json={"redirect_uri": CALLBACK})
    assert answer.json()["type"] == "urn:floyo:problem:not-authorizable"
