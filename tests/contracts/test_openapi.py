"""Every service answers as its API document says, to whatever the document allows or forbids, for every role."""

import os
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from infra.local import discovery, openapi
from tests.e2e.company import ROLES, Company, founded
from tests.fixtures.stack import Stack

Request = Case[Any]
EXAMPLES = int(os.environ.get("FLOYO_CONTRACT_EXAMPLES", "2"))
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
GATEWAY_REFUSES = {400, 405}
ENDS_EVERYTHING = {("DELETE", "/api/v1/organizations/{organization_id}"), ("DELETE", "/api/v1/users/me")}
TAKES_AWAY = {"/api/v1/auth/logout", "/api/v1/users/{user_id}/status", "/api/v1/organizations/{organization_id}/status"}


@pytest.fixture
def company(stack: Stack) -> Iterator[Company]:
    with founded(stack) as found:
        yield found


@pytest.fixture
def known(company: Company) -> dict[str, str]:
    """Identifiers of things that exist, by the name of the path parameter."""
    owner = company.owner
    steps = [{"id": "shape", "type": "transform", "with": {"output": 1}}]
    definition = {"name": "Known", "trigger": {"type": "manual"}, "steps": steps}
    workflow = owner.ok("POST", "/workflows", 201, json=definition)["id"]
    owner.ok("POST", f"/workflows/{workflow}/activate")
    integration = {"connector": "http", "name": "known", "settings": {"base_url": "https://known.example.com"}}
    return {
        "organization_id": company.organization_id,
        "workflow_id": workflow,
        "run_id": owner.ok("POST", f"/workflows/{workflow}/runs?wait=10", 200)["id"],
        "event_id": owner.ok("POST", "/events", 201, json={"source": "known", "type": "known"})["id"],
        "key_id": owner.ok("POST", "/api-keys", 201, json={"name": "known", "scopes": ["events:read"]})["id"],
        "integration_id": owner.ok("POST", "/integrations", 201, json=integration)["id"],
    }


def draw(operation: Any, mode: GenerationMode) -> list[Request]:
    """A few requests that an operation's document allows, or forbids."""
    cases: list[Request] = []

    @given(case=operation.as_strategy(generation_mode=mode))
    @hypothesis_settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def collect(case: Request) -> None:
        cases.append(case)

    collect()
    return cases


def requests_of(operation: Any, known: dict[str, str]) -> Iterator[Request]:
    """Allowed and forbidden requests, and the allowed ones once more about things that exist."""
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
        if mode is GenerationMode.NEGATIVE and not takes_anything(operation):
            continue
        for case in draw(operation, mode):
            yield case
            names = case.path_parameters.keys() & known.keys()
            if mode is GenerationMode.POSITIVE and names:
                case.path_parameters.update({name: known[name] for name in names})
                yield case


def takes_anything(operation: Any) -> bool:
    definition = operation.definition.raw
    return bool(definition.get("parameters") or definition.get("requestBody"))


@pytest.mark.parametrize("service", discovery.services())
def test_answers_are_what_the_document_says(
    service: str, stack: Stack, company: Company, known: dict[str, str]
) -> None:
    faults: list[str] = []
    answered: set[str] = set()
    operations = operations_of(openapi.build(service).openapi())
    with requests.Session() as session:
        session.trust_env = False
        for operation in operations:
            for case in requests_of(operation, known):
                for role in ROLES:
                    answer = send(case, role, stack, company, session)
                    faults += [f"{role}: {fault}" for fault in examine(case, answer)]
                    if role == "owner" and answer.status_code < 300:
                        answered.add(operation.label)
    assert not faults, "\n\n".join([f"{len(faults)} faults", *faults[:12]])
    assert len(answered) >= len(operations) / 4, sorted(answered)


def test_a_document_that_says_otherwise_is_found_out(stack: Stack, company: Company) -> None:
    document = openapi.build("auth").openapi()
    path = "/api/v1/organizations"
    told = document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]
    told["schema"] = {"type": "object", "required": ["what-nobody-answers"]}
    document["paths"] = {path: {"get": document["paths"][path]["get"]}}
    with requests.Session() as session:
        session.trust_env = False
        case = draw(operations_of(document)[0], GenerationMode.POSITIVE)[0]
        case.query = {}
        assert examine(case, send(case, "owner", stack, company, session))
        assert not examine(case, send(case, "anonymous", stack, company, session))


def operations_of(document: dict[str, Any]) -> list[Any]:
    """What a document lists, without what would leave nothing for the others; what takes something away comes last."""
    schema = schemathesis.openapi.from_dict(document)
    operations: list[Any] = [item.ok() for item in schema.get_all_operations()]  # type: ignore[union-attr]
    kept = [item for item in operations if (item.method.upper(), item.path) not in ENDS_EVERYTHING]
    return sorted(kept, key=lambda item: item.method.upper() == "DELETE" or item.path in TAKES_AWAY)


def send(case: Request, role: str, stack: Stack, company: Company, session: requests.Session) -> Any:
    return case.call(base_url=stack.gateway, session=session, headers=company.headers[role], timeout=15)


def examine(case: Request, answer: Any) -> list[str]:
    """A description for each check that an answer fails."""
    if "x-trace-id" not in answer.headers and answer.status_code in GATEWAY_REFUSES:
        return []  # it never reached the service, and the gateway speaks plain text
    try:
        case.validate_response(answer, checks=CHECKS)
    except FailureGroup as group:
        return [f"{case.method} {case.formatted_path}: {error}" for error in group.exceptions]
    return []
