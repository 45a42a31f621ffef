"""The step type emit."""

from tests.workflows.steps.contract import StepContract


class TestEmit(StepContract):
    type = "emit"
    sound = {"source": "floyo", "type": "thing.done", "data": {"run": "{{ run.id }}"}}  # noqa: RUF012
    answers = ({"id": "x"},)

    async def test_says_what_was_rendered(self) -> None:
        row, outside = await self.call()
        assert outside.asked[0][2]["data"]["run"].startswith("0")
        assert row.output == {"id": "x"}
