"""Approvals: who may decide, how often, and what a decision sets in motion."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.workflows.domain import audit
from services.workflows.storage import approvals
from shared import clock, errors
from shared.testing.faults import failpoint


@dataclass(frozen=True, slots=True)
class Decision:
    """One person's word on one approval."""

    organization_id: UUID
    approval_id: UUID
    user_id: UUID | None
    role: str | None
    subject: str
    decision: str
    comment: str | None
    answers: dict[str, Any] = field(default_factory=dict)


async def decide(session: AsyncSession, made: Decision) -> dict[str, Any]:
    """Store a decision; the approval closes with the first rejection or the last approval it needs."""
    found = await approvals.get(session, made.organization_id, made.approval_id, lock=True)
    if found is None:
        raise errors.NotFound
    now = clock.now()
    if found.status != "open" or found.expires_at <= now:
        raise errors.Conflict("approval-closed", "Nothing is left to decide here.")
    if found.requested_by == made.subject:
        raise errors.Forbidden("own-request", "Somebody else has to decide what you have started.")
    if found.approvers and not {str(made.user_id), made.role} & set(found.approvers):
        raise errors.Forbidden("not-an-approver", "Others are asked to decide this.")
    if made.decision == "approve":
        _check_answers(found.form or [], made.answers)
    stored = await approvals.decide(
        session,
        {
            "approval_id": made.approval_id,
            "organization_id": made.organization_id,
            "decided_by": made.subject,
            "decision": made.decision,
            "comment": made.comment,
            "decided_at": now,
            "answers": made.answers or None,
        },
    )
    if not stored:
        raise errors.Conflict("already-decided", "You have decided this already.")
    await audit.record(
        session, made.organization_id, made.subject, "approval.decided", made.approval_id, decision=made.decision
    )
    agreed = sum(row.decision == "approve" for row in await approvals.decisions(session, made.approval_id))
    if made.decision == "reject" or agreed >= found.required:
        await approvals.close(session, made.approval_id, "rejected" if made.decision == "reject" else "approved", now)
        await approvals.poke(session, found.run_id, found.key)
    failpoint("approval-before-commit")
    return await read(session, made.organization_id, made.approval_id)


def _check_answers(form: Sequence[dict[str, Any]], answers: dict[str, Any]) -> None:
    """Hold answers to the form; errors.Invalid names each that is missing, unknown or of another kind."""
    asked = {question["name"]: question for question in form}
    faults = [errors.FieldError(f"/answers/{name}", "Nobody asked this.") for name in answers.keys() - asked.keys()]
    for name, question in asked.items():
        if name not in answers:
            faults += [errors.FieldError(f"/answers/{name}", "This is asked.")] if question["required"] else []
        elif not _FITS[question["type"]](question, answers[name]):
            faults.append(errors.FieldError(f"/answers/{name}", f"This is no {question['type']} that fits."))
    if faults:
        raise errors.Invalid("invalid-input", faults[0].detail, errors=faults)


_FITS: dict[str, Callable[[dict[str, Any], Any], bool]] = {
    "text": lambda _, answer: isinstance(answer, str),
    "number": lambda _, answer: isinstance(answer, int | float) and not isinstance(answer, bool),
    "boolean": lambda _, answer: isinstance(answer, bool),
    "choice": lambda question, answer: answer in question["choices"],
}


async def read(session: AsyncSession, organization_id: UUID, approval_id: UUID) -> dict[str, Any]:
    """One approval with its decisions; NotFound."""
    found = await approvals.get(session, organization_id, approval_id)
    if found is None:
        raise errors.NotFound
    made = await approvals.decisions(session, approval_id)
    return {**found._mapping, "form": found.form or [], "step": found.key, "decisions": [row._mapping for row in made]}  # noqa: SLF001


async def page(
    session: AsyncSession, organization_id: UUID, *, status: str | None, before: UUID | None, limit: int
) -> list[Any]:
    """Approvals, newest first, one more than `limit` when more follow."""
    return await approvals.page(session, organization_id, status=status, before=before, limit=limit)
