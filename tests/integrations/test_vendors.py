"""Every action of the connectors whose vendors publish a description, judged request by request by that description.

A description is not the service: what it does not say is not tested here.
"""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from services.integrations.domain import actions
from services.integrations.domain.integrations import Integration
from services.integrations.domain.outlets import Outlets
from shared import clock, destinations, ids
from shared.egress import Egress
from tests.fixtures.samples import ABSENT
from tests.integrations import vendors
from tests.integrations.connectors import test_dropbox, test_github, test_google_drive, test_slack
from tests.integrations.contract import CATALOG, ConnectorContract
from tests.integrations.targets import Seen
from tests.integrations.vendors import VendorApi


@dataclass(frozen=True)
class _Vendor:
    """A connector with its description, where that is served, and inputs beyond the contract's examples."""

    contract: type[ConnectorContract]
    description: str
    bases: dict[str, str]
    settings: dict[str, str]
    more: dict[str, list[dict[str, Any]]]
    headers: frozenset[str] = frozenset()

    @property
    def id(self) -> str:
        return self.contract.id

    @property
    def inputs(self) -> list[tuple[str, dict[str, Any]]]:
        """Every action with each of its inputs."""
        return [
            (action.id, given)
            for action in CATALOG.connector(self.id).actions
            for given in [self.contract.inputs[action.id], *self.more.get(action.id, ())]
        ]

    def integration(self, api: VendorApi) -> Integration:
        """An integration that leads to the server."""
        now, settings = clock.now(), {name: api.url + path for name, path in self.settings.items()}
        return Integration(
            ids.new(), ids.new(), "example", self.id, settings, sorted(self.contract.secrets), 1, now, now
        )


_STATUS = {
    "sha": "b" * 40,
    "state": "pending",
    "description": "d",
    "context": "c",
    "target_url": "https://example.com/1",
}
VENDORS = [
    _Vendor(
        test_github.TestGithub,
        "github_rest",
        {"https://api.github.com": "/api/v3"},
        {"base_url": "/api/v3"},
        {
            "create_issue": [
                {**test_github.REPOSITORY, "title": "t"},
                {**test_github.REPOSITORY, "title": "t", "body": "b", "labels": ["a", "b"], "assignees": ["octocat"]},
            ],
            "dispatch_workflow": [{**test_github.REPOSITORY, "workflow": "161335", "ref": "refs/heads/main"}],
            "set_status": [{**test_github.REPOSITORY, **_STATUS}],
        },
        headers=frozenset({"x-github-api-version"}),
    ),
    _Vendor(
        test_slack.TestSlack,
        "slack_web",
        {"": "/api"},
        {"base_url": "/api"},
        {
            "post_message": [
                {"channel": "C01", "text": "t"},
                {"channel": "C01", "text": "t", "blocks": [{"type": "divider"}]},
            ]
        },
    ),
    _Vendor(
        test_dropbox.TestDropbox,
        "dropbox",
        {"https://api.dropboxapi.com/2": "/api", "https://content.dropboxapi.com/2": "/content"},
        {"api_url": "/api", "content_url": "/content"},
        {
            "upload": [{"path": "/a b.bin", "content_base64": "AAE=", "mode": "add"}],
            "list_folder": [{}, {"path": "/x", "recursive": True}],
        },
    ),
    _Vendor(
        test_google_drive.TestGoogleDrive,
        "google_drive_v3",
        {"https://www.googleapis.com": "/google"},
        {"base_url": "/google"},
        {"upload": [{"name": "n", "text": ""}], "list_files": [{}]},
    ),
]
ACTIONS = [pytest.param(vendor, *case, id=f"{vendor.id}-{case[0]}") for vendor in VENDORS for case in vendor.inputs]


@pytest.fixture
async def api(vendor: _Vendor) -> AsyncIterator[VendorApi]:
    description = vendors.load(vendor.description)
    if description is None:
        pytest.skip(ABSENT)
    started = VendorApi(description=description)
    started.bases, started.headers = vendor.bases, vendor.headers
    await started.start()
    yield started
    await started.stop()


@pytest.fixture
async def outlets(api: VendorApi) -> AsyncIterator[Outlets]:
    egress = Egress(destinations.Policy(allow=frozenset({("127.0.0.1", api.port)})))
    yield Outlets(egress)
    await egress.close()


@pytest.mark.parametrize(("vendor", "action", "given"), ACTIONS)
async def test_requests_are_as_the_vendor_describes_them(
    vendor: _Vendor, api: VendorApi, outlets: Outlets, action: str, given: dict[str, Any]
) -> None:
    """And what the vendor's schemas and examples answer is understood."""
    made = vendor.integration(api)
    output = await actions.perform(
        CATALOG,
        made,
        action,
        given,
        secrets=vendor.contract.secrets,
        outlet=outlets.outlet(made.organization_id),
        idempotency_key="run:step",
    )
    assert api.faults == []
    assert len(api.seen) == 1
    CATALOG.action(vendor.id, action).output.model_validate(output)


@pytest.mark.parametrize("vendor", VENDORS, ids=lambda vendor: vendor.id)
async def test_the_proof_of_a_credential_is_described_too(vendor: _Vendor, api: VendorApi, outlets: Outlets) -> None:
    made = vendor.integration(api)
    held = vendor.contract().opened()
    found = await actions.test(CATALOG, made, held, outlets.outlet(made.organization_id))
    assert api.faults == []
    assert found == {"ok": True, "problem": None}


JSON = {"content-type": "application/json"}
ISSUES = "/api/v3/repos/o/r/issues"
ARGUMENT = {"content-type": "application/octet-stream", "dropbox-api-arg": json.dumps({"path": "no slash"})}
FAULTY = [
    ("github", "POST", "/api/v3/repos/o/issues", {}, JSON, {"title": "t"}, "not described"),
    ("github", "PUT", ISSUES, {}, JSON, {"title": "t"}, "not described"),
    ("github", "POST", ISSUES, {"now": "1"}, JSON, {"title": "t"}, "query now"),
    ("github", "POST", ISSUES, {}, {**JSON, "x-made-up": "1"}, {"title": "t"}, "header x-made-up"),
    ("github", "POST", ISSUES, {}, JSON, {"labels": "ci"}, "'title' is a required property"),
    ("github", "POST", ISSUES, {}, JSON, {"title": "t", "labels": "ci"}, "is not of type 'array'"),
    ("github", "POST", ISSUES, {}, JSON, {"title": "t", "colour": "red"}, "body.colour"),
    ("github", "POST", ISSUES, {}, {"content-type": "text/plain"}, "t", "text/plain"),
    ("github", "POST", ISSUES, {}, {}, None, "body: missing"),
    ("github", "POST", ISSUES.replace("issues", "issues/x/comments"), {}, JSON, {"body": "b"}, "path issue_number"),
    ("slack", "POST", "/api/chat.update", {}, JSON, {"channel": "C", "text": "t"}, "'ts' is a required property"),
    ("slack", "POST", "/api/chat.postMessage", {}, JSON, {"channel": "C"}, "header authorization: missing"),
    ("dropbox", "POST", "/content/files/upload", {}, ARGUMENT, "x", "header dropbox-api-arg.path"),
    ("dropbox", "POST", "/api/files/upload", {}, ARGUMENT, "x", "is served by"),
    ("google_drive", "GET", "/google/drive/v3/files", {"pageSize": "many"}, {}, None, "query pageSize"),
    ("google_drive", "POST", "/google/upload/drive/v3/files", {"uploadType": "fast"}, JSON, {}, "query uploadType"),
]


@pytest.mark.parametrize(
    ("vendor", "faulty"),
    [(vendor, case) for vendor in VENDORS for case in FAULTY if case[0] == vendor.id],
    ids=lambda value: value[-1] if isinstance(value, tuple) else value.id,
)
async def test_the_judge_sees_what_is_wrong(vendor: _Vendor, api: VendorApi, faulty: Any) -> None:
    """Else the tests above would prove nothing."""
    _, method, path, query, headers, body, fault = faulty
    raw = b"" if body is None else body.encode() if isinstance(body, str) else json.dumps(body).encode()
    answer = api.judge(Seen(method, path, query, headers, raw))
    assert answer.status == 400
    assert fault in " · ".join(api.faults)
