"""The step type foreach."""

from datetime import timedelta
from typing import Any

import pytest

from services.workflows.domain.execution import Execution
from shared import errors
from tests.workflows.driving import NOON, Answers, drive, execution, statuses
from tests.workflows.steps.contract import StepContract


def loop(items: Any, *steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": "it", "type": "foreach", "with": {"items": items, "steps": list(steps), **more}}


def transform(name: str, output: Any) -> dict[str, Any]:
    return {"id": name, "type": "transform", "with": {"output": output}}


class TestForeach(StepContract):
    type = "foreach"
    sound = {"items": [1, 2, 3], "steps": [transform("x", "{{ item }} at {{ index }}")]}  # noqa: RUF012

    async def test_answers_the_outputs_in_order(self) -> None:
        row, _ = await self.call()
        assert row.output == ["1 at 0", "2 at 1", "3 at 2"]

    async def test_loops_stand_inside_each_other(self) -> None:
        inner = {"id": "inner", "type": "foreach", "with": {
            "items": "{{ row }}", "as": "cell", "steps": [transform("x", "{{ [cell, index] }}")]}}  # fmt: skip
        running = execution(loop("{{ input }}", inner, **{"as": "row"}), given=[[1, 2], [], [3]])
        await drive(running)
        assert running.output() == [[[1, 0], [2, 1]], [], [[3, 0]]]
        assert "it[2].inner[0].x" in running.rows

    async def test_nothing_to_go_over_is_an_empty_list(self) -> None:
        row, _ = await self.call({**self.sound, "items": []})
        assert (row.status, row.output) == ("succeeded", [])

    async def test_so_many_at_a_time(self) -> None:
        wait = {"id": "d", "type": "delay", "with": {"for": "PT1S"}}
        running = execution(loop([1, 2, 3, 4, 5], wait, concurrency=2))
        await drive(running)
        assert sorted(statuses(running)) == ["it", "it[0].d", "it[1].d"]
        ended = await drive(running, until=timedelta(seconds=5))
        assert ended == NOON + timedelta(seconds=3)
        assert running.rows["it"].status == "succeeded"

    async def test_another_worker_goes_on_in_the_middle(self) -> None:
        wait = {"id": "d", "type": "delay", "with": {"for": "PT1S"}}
        running = execution(loop([1, 2, 3], transform("x", "{{ item }}"), wait, concurrency=1))
        await drive(running)
        heir = Execution(running.run, running.plan, dict(running.rows))
        await drive(heir, until=timedelta(seconds=9))
        assert heir.rows["it"].status == "succeeded"
        assert [heir.rows[f"it[{index}].x"].output for index in range(3)] == [1, 2, 3]

    async def test_a_failure_inside_fails_it(self) -> None:
        call = {"id": "h", "type": "http", "with": {"url": "https://example.com"}}
        running = execution(loop([1, 2], call), transform("after", 1))
        await drive(running, Answers({"status": 404, "headers": {}, "body": None}))
        assert running.error is not None
        assert running.error["step"] == "it"
        assert "after" not in running.rows

    async def test_b48_too_many_items(self) -> None:
        row, _ = await self.call({**self.sound, "items": list(range(10_000))})
        assert (row.status, row.error["type"]) == ("failed", "limit-exceeded")

    async def test_b48_too_many_steps(self) -> None:
        inner = {
            "id": "inner",
            "type": "foreach",
            "with": {"items": "{{ input }}", "as": "b", "steps": [transform("x", 1)]},
        }
        running = execution(loop("{{ input }}", inner), given=list(range(200)))
        await drive(running)
        assert running.error is not None
        assert running.error["type"] == "limit-exceeded"

    @pytest.mark.parametrize("name", ["steps", "input", "Item", "a-b", "__x", ""])
    def test_a_binding_hides_nothing(self, name: str) -> None:
        with pytest.raises(errors.Invalid):
            execution(loop([1], transform("x", 1), **{"as": name}))

    def test_faults_inside_carry_their_pointer(self) -> None:
        with pytest.raises(errors.Invalid) as caught:
            execution(loop([1], transform("x", "{{ nobody }}")))
        assert caught.value.errors[0].pointer == "/steps/0/with/steps/0/with/output"
