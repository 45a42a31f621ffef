"""The step type action."""

from shared import errors
from tests.workflows.steps.contract import StepContract


class TestAction(StepContract):
    type = "action"
    sound = {"integration": "team-slack", "action": "post_message", "input": {"text": "hi"}}  # noqa: RUF012
    answers = ({"ok": True},)

    async def test_the_other_side_says_whether_to_retry(self) -> None:
        gone = errors.Remote(409, "credential-unusable", "gone", title="Conflict", extensions={"retryable": False})
        row, _ = await self.call(None, gone)
        assert row.status == "failed"
        full = errors.Remote(409, "busy", "later", title="Conflict", extensions={"retryable": True})
        row, _ = await self.call(None, full)
        assert row.status == "waiting"
