"""The step type workflow."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from shared import errors, ids
from tests.workflows.driving import Answers, drive, execution
from tests.workflows.steps.contract import StepContract

OTHER, RUN = str(ids.new()), str(ids.new())


class TestWorkflow(StepContract):
    type = "workflow"
    sound = {"id": OTHER, "input": {"n": 1}}  # noqa: RUF012
    answers = (RUN,)

    async def ended(self, *answers: Any) -> Any:
        running = execution({"id": "it", "type": "workflow", "with": self.sound})
        await drive(running, Answers(RUN, *answers), until=timedelta(minutes=1))
        return running.rows["it"]

    async def test_starts_and_waits(self) -> None:
        row, outside = await self.call()
        assert outside.asked == [(outside.asked[0][0], f"start {UUID(OTHER)}", {"n": 1})]
        assert row.state["kept"]["run_id"] == RUN

    async def test_starts_the_version_it_is_pinned_to(self) -> None:
        running = execution({"id": "it", "type": "workflow", "with": {**self.sound, "version": 3}})
        outside = Answers(RUN)
        await drive(running, outside)
        assert outside.asked[0][1] == f"start {UUID(OTHER)} at 3"

    async def test_answers_the_other_output(self) -> None:
        row = await self.ended({}, {"status": "succeeded", "output": 7, "error": None})
        assert row.output == {"run_id": RUN, "output": 7}

    async def test_the_other_failure_is_its_own(self) -> None:
        row = await self.ended({"status": "failed", "output": None, "error": {"type": "http-status", "detail": "404"}})
        assert row.error["type"] == "http-status"

    async def test_b48_too_deep(self) -> None:
        row, _ = await self.call(None, errors.Invalid("limit-exceeded", "too deep"))
        assert (row.status, row.error["type"]) == ("failed", "limit-exceeded")
