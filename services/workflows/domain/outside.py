"""What steps do outside, and which of the organisation's integrations a definition may name."""

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from services.workflows.clients import integrations
from services.workflows.domain import causes
from services.workflows.domain.definition import Definition
from services.workflows.domain.templates import escape, is_template
from services.workflows.step import Context
from services.workflows.storage import recorded
from shared import errors
from shared.database import Database
from shared.httpclient import Siblings


class Integrations:
    """The calls of `step.Integrations`; the key makes a repeated call the same call. A dry one only rehearses."""

    def __init__(self, siblings: Siblings, *, dry: bool = False) -> None:
        self._calls, self._dry = integrations.Calls(siblings), dry

    async def http(self, context: Context, request: Mapping[str, Any]) -> dict[str, Any]:
        """One HTTP request: answers {status, headers, body}."""
        headers = causes.mark(request.get("headers") or {}, context.run_id, context.depth)
        answer: dict[str, Any] = await self._perform(context, "http", {**request, "headers": headers})
        return answer

    async def action(self, context: Context, integration: str, action: str, given: Any) -> Any:
        """One action of an integration: answers its output."""
        cause = causes.value(context.run_id, context.depth)
        body = {"integration": integration, "action": action, "input": given, "cause": cause}
        return (await self._perform(context, "actions", body))["output"]

    async def _perform(self, context: Context, path: str, body: dict[str, Any]) -> Any:
        return await self._calls.perform(
            path,
            {**body, "idempotency_key": context.key, "dry_run": self._dry},
            organization_id=context.organization_id,
            subject=f"run:{context.run_id}",
            seconds=context.timeout_seconds,
        )


class Rehearsals(Integrations):
    """What a dry run gets: the request is judged as ever, but answered by what the same step was answered last.

    A step that has never run is answered by what integrations makes of the action's schema.
    """

    def __init__(self, siblings: Siblings, database: Database) -> None:
        super().__init__(siblings, dry=True)
        self._database = database

    async def http(self, context: Context, request: Mapping[str, Any]) -> dict[str, Any]:
        """An answer that the step has had, else {status: 200, …} with nothing in it."""
        judged = await super().http(context, request)
        answer: dict[str, Any] = await self._recall(context, "http", judged)
        return answer

    async def action(self, context: Context, integration: str, action: str, given: Any) -> Any:
        """An output that the step has had, else one that fits the action's schema."""
        return await self._recall(context, "action", await super().action(context, integration, action, given))

    async def _recall(self, context: Context, kind: str, otherwise: Any) -> Any:
        async with self._database.session(context.organization_id) as session:
            found, output = await recorded.latest(
                session, context.organization_id, context.workflow_id, context.step_id, kind
            )
        return output if found else otherwise


async def missing(siblings: Siblings, organization_id: UUID, definition: Definition) -> list[errors.FieldError]:
    """Every field that names an integration or action which is not there, or gives it what it does not take.

    What a template will say is known only when the step runs.
    """
    steps = [step.model_dump(by_alias=True) for step in definition.steps]
    asked = list(_references(steps, "/steps"))
    if not asked:
        return []
    faults = await integrations.judge(siblings, organization_id, [given for _, given in asked])
    found = []
    for fault in faults:
        pointer, given = asked[fault["index"]]
        if fault["field"] != "input" or not _depends(given["input"], fault):
            path = "".join(f"/{escape(str(part))}" for part in fault["path"])
            found.append(errors.FieldError(f"{pointer}/with/{fault['field']}{path}", fault["detail"]))
    return found


async def check_references(siblings: Siblings, organization_id: UUID, definition: Definition) -> None:
    """Refuse a definition that names what is not there, with a pointer for each fault."""
    faults = await missing(siblings, organization_id, definition)
    if faults:
        slug = "unknown-integration" if faults[0].pointer.endswith("/integration") else "invalid-workflow"
        raise errors.Invalid(slug, f"{faults[0].pointer}: {faults[0].detail}", errors=faults[:100])


def _depends(given: Any, fault: Mapping[str, Any]) -> bool:
    """Whether a fault may vanish once templates are rendered: where one stands, or judged over what holds one."""
    if fault["kind"] in {"missing", "extra_forbidden"}:
        return False
    for part in fault["path"]:
        try:
            given = given[part]
        except (KeyError, IndexError, TypeError):
            break
    return _holds_template(given)


def _holds_template(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(_holds_template(item) for item in value.values())
    if isinstance(value, list):
        return any(_holds_template(item) for item in value)
    return is_template(value)


def _references(value: Any, pointer: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every action step, however deep, whose integration and action are known now."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _references(item, f"{pointer}/{index}")
    elif isinstance(value, dict) and isinstance(value.get("with"), dict):
        given = value["with"]
        named = [given.get(name) for name in ("integration", "action")]
        if value.get("type") == "action" and all(isinstance(name, str) and not is_template(name) for name in named):
            yield pointer, {"integration": named[0], "action": named[1], "input": given.get("input", {})}
        for name in ("steps", "branches"):
            yield from _references(given.get(name), f"{pointer}/with/{name}")
