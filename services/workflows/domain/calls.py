"""One call of one step: render its inputs, call it under its time limit, and answer an outcome whatever happens."""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from pydantic import ValidationError

from services.workflows.domain import conditions, mappings, templates
from services.workflows.domain.execution import Execution
from services.workflows.domain.rows import LARGEST, Ready, Run
from services.workflows.step import Context, Failed, Integrations, Outcome, Platform, Retry
from shared import errors, log
from shared.testing.faults import failpoint

_log = log.get(__name__)
_PASSING = frozenset({408, 425, 429})
_OWN = frozenset({429, 503})
# Whoever calls the target counts the step's seconds; they end there, not in a queue of ours.
GRACE_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Tools:
    """What steps reach other services by; `dry` is what a dry run gets instead, whatever its steps may try."""

    integrations: Integrations
    platform: Platform
    dry: "Tools | None" = None

    def of(self, run: Run) -> "Tools":
        """The tools of one run."""
        return self.dry if run.dry_run and self.dry is not None else self


async def perform(execution: Execution, ready: Ready, tools: Tools, now: datetime) -> Outcome | None:
    """Call the step once; None says that its `if` does not hold."""
    names = execution.names(ready.place)
    try:
        if ready.row.state is None and ready.row.attempts == 0 and not _applies(ready, names):
            return None
        inputs = _inputs(ready, names)
    except (conditions.Unanswered, mappings.Unanswered) as problem:
        return _unanswered(problem)
    except ValidationError as problem:
        return Failed("invalid-input", _summary(problem))
    return await _call(ready, inputs, _context(execution, ready, names, tools, now))


def _applies(ready: Ready, names: dict[str, Any]) -> bool:
    return ready.node.condition is None or ready.node.condition.holds(names)


def _inputs(ready: Ready, names: dict[str, Any]) -> Any:
    """Render `with` and check it by the step's model; the row keeps what was rendered."""
    rendered = templates.render(ready.node.template, names)
    try:
        size = len(orjson.dumps(rendered))
    except (TypeError, RecursionError):
        raise mappings.Unanswered("the inputs are no JSON value") from None
    if size > LARGEST:
        raise mappings.Exceeded(f"the inputs have {size} bytes; {LARGEST} are allowed")
    ready.row.input = rendered
    return ready.node.step.inputs.model_validate({**rendered, **ready.node.verbatim})


async def _call(ready: Ready, inputs: Any, context: Context) -> Outcome:
    step = ready.node.step
    try:
        if step.pure:
            return await step.run(inputs, context)
        async with asyncio.timeout(context.timeout_seconds + GRACE_SECONDS):
            failpoint("effect-before")
            outcome = await step.run(inputs, context)
            failpoint("effect-after")
            return outcome
    except TimeoutError:
        return Retry("timeout", f"no answer within {context.timeout_seconds:g} seconds")
    except conditions.Unanswered as problem:
        return _unanswered(problem)
    except errors.FloyoError as problem:
        return _outcome(problem)
    except Exception as problem:  # noqa: BLE001 - a fault in one step ends that step, never the worker
        _log.error("step-crashed", step=ready.key, type=step.type, exc_info=problem)
        return Failed("internal", f"the step type {step.type} failed unexpectedly")


def _unanswered(problem: conditions.Unanswered | mappings.Unanswered) -> Failed:
    exceeded = isinstance(problem, conditions.Exceeded | mappings.Exceeded)
    return Failed("limit-exceeded" if exceeded else "expression-failed", str(problem))


def _outcome(problem: errors.FloyoError) -> Outcome:
    """A passing fault is tried again; whoever called the target says which it is, else it was the platform's own."""
    told = problem.extensions.get("retryable")
    retryable = told if told is not None else problem.status >= 500 or problem.status in _PASSING
    if not retryable:
        return Failed(problem.slug, problem.detail)
    asked = problem.headers.get("Retry-After", "")
    after = float(asked) if asked.isdecimal() else 0.0
    return Retry(problem.slug, problem.detail, after, counts=told is not None or problem.status not in _OWN)


def _context(execution: Execution, ready: Ready, names: dict[str, Any], tools: Tools, now: datetime) -> Context:
    run, row, node = execution.run, ready.row, ready.node

    def holds(source: str) -> bool:
        return conditions.compile_condition(source, node.roots).holds(names)

    return Context(
        organization_id=run.organization_id,
        run_id=run.id,
        workflow_id=run.workflow_id,
        step_id=row.key,
        key=f"{run.id}:{row.key}",
        attempt=row.attempts + 1,
        dry_run=run.dry_run,
        depth=run.depth,
        timeout_seconds=node.definition.timeout.total_seconds(),
        now=now,
        names=names,
        state=row.state["kept"] if row.state else None,
        holds=holds,
        integrations=tools.of(run).integrations,
        platform=tools.of(run).platform,
    )


def _summary(problem: ValidationError) -> str:
    first = problem.errors(include_url=False, include_context=False, include_input=False)[0]
    return f"/{'/'.join(map(str, first['loc']))}: {first['msg']}"
