"""Plain HTTP calls of workflows, without an integration and so without credentials."""

from collections.abc import Mapping
from typing import Any

from services.integrations.connector import decode_body, encode_body
from services.integrations.domain.outlets import OrganizationOutlet
from shared.destinations import WEB, Policy, parse_url
from shared.egress import MAX_BYTES, check_headers

IDEMPOTENCY_KEY = "Idempotency-Key"


async def send(
    outlet: OrganizationOutlet,
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    query: Mapping[str, str],
    body: object,
    idempotency_key: str | None,
    seconds: float,
) -> dict[str, Any]:
    """{status, headers, body}; raises what `Egress.request` raises, and Unavailable `circuit-open`."""
    sent, content = encode_body(body, headers)
    if idempotency_key and not any(name.lower() == IDEMPOTENCY_KEY.lower() for name in sent):
        sent[IDEMPOTENCY_KEY] = idempotency_key
    response = await outlet.request(
        method,
        url,
        headers=sent,
        query=query or None,
        body=content,
        ports=WEB,
        hosts=None,
        timeout=seconds,
        limit=MAX_BYTES,
    )
    return {"status": response.status, "headers": response.headers, "body": decode_body(response)}


def rehearse(policy: Policy, url: str, headers: Mapping[str, str]) -> dict[str, Any]:
    """What a dry run answers; the destination is judged as far as that goes without asking a resolver."""
    parsed = parse_url(url)
    policy.check(parsed.raw_host or "", parsed.port or 0, ports=WEB)
    check_headers(headers)
    return {"status": 200, "headers": {}, "body": None}
