"""Messages between services: every reader understands what every publisher sends, and nothing else is expected."""

import importlib
import importlib.util
from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import UUID

import pytest

from services.auth import messages as auth
from services.events import messages as events
from services.integrations import messages as integrations
from services.workflows import messages as workflows
from shared.messages import SERVICES, Handler, Message

SOMEBODY = UUID("0190a0a0-0000-7000-8000-000000000001")
MOMENT = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)

SAMPLES: list[tuple[Message, tuple[str, ...]]] = [
    *(
        (
            kind(
                organization_id=SOMEBODY,
                actor=f"user:{SOMEBODY}",
                action="integration.changed",
                target=str(SOMEBODY),
                details={"fields": ["name"]},
                at=MOMENT,
                address="192.0.2.1",
            ),
            ("auth",),
        )
        for kind in (events.AuditRecorded, workflows.AuditRecorded, integrations.AuditRecorded)
    ),
    (
        integrations.NoticeRaised(
            organization_id=SOMEBODY,
            kind="webhook-failing",
            target=SOMEBODY,
            name="https://hooks.example.com/floyo",
            at=MOMENT,
        ),
        ("auth",),
    ),
    (
        events.SuggestionCreated(
            organization_id=SOMEBODY,
            suggestion_id=SOMEBODY,
            pattern_id=SOMEBODY,
            title="When order received in desk, write the message (desk)",
            confidence=0.9,
            minutes_per_week=4.5,
            created_at=MOMENT,
        ),
        ("integrations",),
    ),
    (auth.UserDeleted(user_id=SOMEBODY, organization_ids=[SOMEBODY]), ("events", "workflows", "integrations")),
    (auth.OrganizationDeleted(organization_id=SOMEBODY), ("events", "workflows", "integrations")),
    (
        workflows.TriggerChanged(
            trigger_id=SOMEBODY,
            organization_id=SOMEBODY,
            workflow_id=SOMEBODY,
            revision=2,
            changed_at=MOMENT,
            active=True,
            match={"source": "github", "type": "build.*", "where": "true"},
        ),
        ("events",),
    ),
    (
        workflows.RunFinished(
            organization_id=SOMEBODY,
            run_id=SOMEBODY,
            workflow_id=SOMEBODY,
            workflow_version=3,
            status="failed",
            error={"type": "timeout", "detail": "no answer within 10 seconds", "step": "look"},
            dry_run=False,
            started_at=None,
            finished_at=MOMENT,
        ),
        ("integrations",),
    ),
    (
        workflows.ApprovalRequested(
            organization_id=SOMEBODY,
            approval_id=SOMEBODY,
            run_id=SOMEBODY,
            workflow_id=SOMEBODY,
            step="ask",
            approvers=["owner"],
            required=1,
            expires_at=MOMENT,
        ),
        ("integrations",),
    ),
]


def handlers(service: str) -> Mapping[str, Handler]:
    """What a service reads; empty when it has no inbox."""
    name = f"services.{service}.internal_routes.messages"
    if importlib.util.find_spec(name) is None:
        return {}
    found: Mapping[str, Handler] = importlib.import_module(name).HANDLERS
    return found


def published() -> set[type[Message]]:
    """Every message class of every service."""
    for service in SERVICES:
        if importlib.util.find_spec(f"services.{service}.messages"):
            importlib.import_module(f"services.{service}.messages")
    return {kind for kind in Message.__subclasses__() if kind.__module__.startswith("services.")}


def test_every_published_message_has_a_sample() -> None:
    assert published() == {type(sample) for sample, _ in SAMPLES}


@pytest.mark.parametrize(
    ("sample", "reader"),
    [(sample, reader) for sample, readers in SAMPLES for reader in readers],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_reader_understands(sample: Message, reader: str) -> None:
    handler = handlers(reader)[type(sample).type]
    sent = {**sample.model_dump(mode="json"), "a field of tomorrow": 1}
    assert handler.reading.model_validate(sent)


@pytest.mark.parametrize("service", SERVICES)
def test_nobody_waits_for_what_nobody_sends(service: str) -> None:
    assert set(handlers(service)) <= {kind.type for kind in published()}
