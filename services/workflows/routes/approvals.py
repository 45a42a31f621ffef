"""/approvals: what waits for a decision, and deciding it. Never by GET: link scanners follow links."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from sqlalchemy.ext.asyncio import AsyncSession

from services.workflows.deps import ApprovalReader, Approver, OnceDep, wake_workers
from services.workflows.domain import approvals
from services.workflows.schemas.approvals import ApprovalOut, ApprovalStatus, ApprovalSummary, DecideIn
from shared import webapp
from shared.deps import CursorParameter, Limit, ServiceDep, Session
from shared.pagination import Page, cut
from shared.testing.faults import failpoint

router = webapp.router(tags=["approvals"])


@router.get("/approvals")
async def list_approvals(
    *,
    service: ServiceDep,
    session: Session,
    principal: ApprovalReader,
    status: Annotated[ApprovalStatus | None, Query()] = None,
    limit: Limit = 50,
    cursor: CursorParameter = None,
) -> Page[ApprovalSummary]:
    """The organisation's approvals, newest first."""
    organization_id, scope = principal.organization_id, f"approvals|{status}"
    before = service.cursors.decode(cursor, organization_id=organization_id, scope=scope) if cursor else None
    found = await approvals.page(
        session, organization_id, status=status, before=UUID(before[0]) if before else None, limit=limit
    )
    rows, last = cut(found, limit)
    following = service.cursors.encode([str(last.id)], organization_id=organization_id, scope=scope) if last else None
    items = [ApprovalSummary.model_validate({**row._mapping, "step": row.key}) for row in rows]  # noqa: SLF001
    return Page(items=items, next_cursor=following)


@router.get("/approvals/{approval_id}")
async def get_approval(approval_id: UUID, session: Session, principal: ApprovalReader) -> ApprovalOut:
    """One approval with its decisions."""
    return ApprovalOut.model_validate(await approvals.read(session, principal.organization_id, approval_id))


@router.post("/approvals/{approval_id}")
async def decide(
    approval_id: UUID, body: DecideIn, service: ServiceDep, principal: Approver, once: OnceDep
) -> ApprovalOut:
    """Approves or rejects, once a person; 409 `approval-closed` when it is decided or expired."""
    made = approvals.Decision(
        organization_id=principal.organization_id,
        approval_id=approval_id,
        user_id=principal.user_id,
        role=principal.role,
        subject=principal.subject,
        decision=body.decision,
        comment=body.comment,
        answers=body.answers,
    )

    async def take(session: AsyncSession) -> tuple[int, dict[str, Any]]:
        return 200, ApprovalOut.model_validate(await approvals.decide(session, made)).model_dump(mode="json")

    answer = await once(take, body.model_dump(mode="json"))
    failpoint("approval-after-commit")
    wake_workers(service)
    return ApprovalOut.model_validate(answer.body)
