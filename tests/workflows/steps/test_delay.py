"""The step type delay."""

from tests.workflows.steps.contract import StepContract


class TestDelay(StepContract):
    type = "delay"
    sound = {"for": "PT1H"}  # noqa: RUF012

    async def test_a_moment_that_has_passed_is_no_wait(self) -> None:
        row, _ = await self.call({"until": "2020-01-01T00:00:00Z"})
        assert row.status == "succeeded"
