"""The step type switch."""

from tests.workflows.driving import drive, execution, statuses
from tests.workflows.steps.contract import StepContract


def beside(name: str) -> dict[str, object]:
    return {"id": name, "type": "transform", "with": {"output": 1}}


class TestSwitch(StepContract):
    type = "switch"
    sound = {"cases": [{"when": "1 > 2", "then": ["a"]}, {"when": "1 < 2", "then": ["b"]}], "default": ["c"]}  # noqa: RUF012
    beside = (beside("a"), beside("b"), beside("c"))

    async def test_runs_the_first_case_that_holds(self) -> None:
        running = execution({"id": "it", "type": "switch", "with": self.sound}, *self.beside)
        await drive(running)
        assert statuses(running) == {"it": "succeeded", "a": "skipped", "b": "succeeded", "c": "skipped"}

    async def test_falls_back_to_the_default(self) -> None:
        with_ = {"cases": [{"when": "false", "then": ["a"]}], "default": ["c"]}
        running = execution({"id": "it", "type": "switch", "with": with_}, *self.beside)
        await drive(running)
        assert statuses(running) == {"it": "succeeded", "a": "skipped", "b": "succeeded", "c": "succeeded"}
