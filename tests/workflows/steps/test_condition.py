"""The step type condition."""

from tests.workflows.steps.contract import StepContract


class TestCondition(StepContract):
    type = "condition"
    sound = {"when": "1 < 2", "then": ["other"]}  # noqa: RUF012
    beside = ({"id": "other", "type": "transform", "with": {"output": 1}},)

    async def test_answers_its_result(self) -> None:
        row, _ = await self.call()
        assert row.output == {"result": True}
