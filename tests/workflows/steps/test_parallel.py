"""The step type parallel."""

from datetime import timedelta

from tests.workflows.driving import NOON, drive, execution
from tests.workflows.steps.contract import StepContract


def transform(name: str, output: object) -> dict[str, object]:
    return {"id": name, "type": "transform", "with": {"output": output}}


class TestParallel(StepContract):
    type = "parallel"
    sound = {"branches": [[transform("a", 1), transform("b", "{{ steps.a.output }}")], [transform("a", 3)]]}  # noqa: RUF012

    async def test_answers_the_outputs_in_order(self) -> None:
        row, _ = await self.call()
        assert row.output == [1, 3]

    async def test_branches_go_at_the_same_time(self) -> None:
        wait = {"id": "d", "type": "delay", "with": {"for": "PT5S"}}
        running = execution({"id": "it", "type": "parallel", "with": {"branches": [[wait], [wait], [wait]]}})
        ended = await drive(running, until=timedelta(minutes=1))
        assert ended == NOON + timedelta(seconds=5)
        assert running.rows["it"].status == "succeeded"
