"""Actions: performed for real through an outlet, or rehearsed with neither secrets nor an outlet."""

import asyncio
from collections.abc import Awaitable, Mapping
from typing import Any

from services.integrations.connector import Call, Connector
from services.integrations.domain import catalog, samples
from services.integrations.domain.catalog import Catalog
from services.integrations.domain.integrations import Integration
from services.integrations.domain.outlets import OrganizationOutlet
from shared import errors
from shared.egress import MAX_SECONDS, TargetFailed

GRACE_SECONDS = 1.0


async def perform(
    known: Catalog,
    integration: Integration,
    action_id: str,
    given: object,
    *,
    secrets: Mapping[str, str],
    outlet: OrganizationOutlet,
    idempotency_key: str | None = None,
    cause: str | None = None,
    seconds: float = MAX_SECONDS,
) -> Any:
    """Run an action and answer its output as JSON; no transaction may be open meanwhile. `cause` is for `Floyo-Cause`.

    Raises Invalid for the input, TargetFailed for the target, Unavailable `circuit-open`.
    """
    kind = known.connector(integration.connector)
    action = known.action(integration.connector, action_id)
    checked = catalog.read(action.input, given, "/input")
    call = _call(kind, integration, secrets=secrets, outlet=outlet, idempotency_key=idempotency_key, cause=cause,
                 seconds=seconds)  # fmt: skip
    output = await _bounded(action.run(call, checked), seconds)
    return output.model_dump(mode="json")


def rehearse(known: Catalog, integration: Integration, action_id: str, given: object) -> Any:
    """What a dry run answers: the input is judged as ever, the output comes from its schema.

    It has no secrets and no outlet, so that no connector can leak, however it is written.
    """
    action = known.action(integration.connector, action_id)
    catalog.read(action.input, given, "/input")
    return samples.sample(action.output)


async def test(
    known: Catalog, integration: Integration, secrets: Awaitable[Mapping[str, str]], outlet: OrganizationOutlet
) -> dict[str, Any]:
    """Prove the credential: {ok, problem}; what the target says is the answer, not a failure of ours.

    The secrets are awaited here, since a token that cannot be refreshed is a finding too.
    """
    kind = known.connector(integration.connector)
    try:
        call = _call(kind, integration, secrets=await secrets, outlet=outlet)
        await _bounded(kind.test(call), MAX_SECONDS)
    except (TargetFailed, errors.Invalid, errors.Unavailable) as error:
        problem = {"type": errors.TYPE_PREFIX + error.slug, "detail": error.detail, **error.extensions}
        return {"ok": False, "problem": problem}
    return {"ok": True, "problem": None}


def _call(
    kind: Connector,
    integration: Integration,
    *,
    secrets: Mapping[str, str],
    outlet: OrganizationOutlet,
    idempotency_key: str | None = None,
    cause: str | None = None,
    seconds: float = MAX_SECONDS,
) -> Call:
    return Call(
        connector=kind,
        settings=kind.settings.model_validate(integration.settings),
        secrets=secrets,
        outlet=outlet,
        idempotency_key=idempotency_key,
        cause=cause,
        timeout=seconds,
    )


async def _bounded(work: Any, seconds: float) -> Any:
    """Connectors of other protocols need not count the seconds themselves.

    Calls through an outlet count them too and must end first, or the breaker would see a cancellation, not a failure.
    """
    try:
        async with asyncio.timeout(seconds + GRACE_SECONDS):
            return await work
    except TimeoutError as error:
        raise TargetFailed("timeout", "The target did not answer in time.", retryable=True) from error
    except OSError as error:
        raise TargetFailed("target-unreachable", "The target broke the connection.", retryable=True) from error
