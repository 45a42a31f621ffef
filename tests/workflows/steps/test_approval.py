"""The step type approval."""

from datetime import timedelta

from tests.workflows.driving import NOON, Answers, drive, execution
from tests.workflows.steps.contract import StepContract

OPEN = {"id": "a", "status": "open", "decisions": []}
WORD = {"by": "user:1", "decision": "approve", "comment": None}


class TestApproval(StepContract):
    type = "approval"
    sound = {"approvers": ["admin"], "required": 2, "expires": "PT1H"}  # noqa: RUF012
    answers = (OPEN,)

    async def test_waits_until_it_expires(self) -> None:
        row, outside = await self.call()
        assert row.due_at == NOON + timedelta(hours=1)
        assert outside.asked[0][2] == (("admin",), 2, row.due_at)

    async def test_goes_on_when_enough_have_agreed(self) -> None:
        row, _ = await self.call(None, {**OPEN, "status": "approved", "decisions": [WORD]})
        assert row.output == {"decision": "approve", "decisions": [WORD]}

    async def test_a_rejection_fails_it(self) -> None:
        row, _ = await self.call(None, {**OPEN, "status": "rejected", "decisions": [{**WORD, "decision": "reject"}]})
        assert row.error == {"type": "rejected", "detail": "rejected by user:1"}

    async def test_silence_fails_it(self) -> None:
        running = execution({"id": "it", "type": "approval", "with": self.sound})
        await drive(running, Answers(OPEN, OPEN), until=timedelta(hours=2))
        assert running.error is not None
        assert running.error["type"] == "expired"
