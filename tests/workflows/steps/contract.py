"""The contract that every step type keeps; a step's test inherits it and names what a call of it looks like."""

import pathlib
import re
from typing import Any, ClassVar

import orjson

from services.workflows.step import Step, catalog
from tests.workflows.driving import Answers, drive, execution


class StepContract:
    """Subclasses set `type` and one `sound` example of `with`; `answers` is what the outside answers to it."""

    type: ClassVar[str]
    sound: ClassVar[dict[str, Any]]
    answers: ClassVar[tuple[Any, ...]] = ()
    beside: ClassVar[tuple[dict[str, Any], ...]] = ()

    def step(self) -> Step:
        return catalog()[self.type]

    async def call(self, given: dict[str, Any] | None = None, *answers: Any) -> tuple[Any, Answers]:
        """Run one step of this type; answers its row and what it asked of the outside."""
        outside = Answers(*(answers or self.answers))
        running = execution({"id": "it", "type": self.type, "with": given or self.sound}, *self.beside)
        await drive(running, outside)
        return running.rows["it"], outside

    def test_is_discovered_under_its_type(self) -> None:
        assert self.step().type == self.type

    def test_refuses_unknown_fields(self) -> None:
        assert self.step().inputs.model_config["extra"] == "forbid"

    def test_imports_only_the_contract_and_shared(self) -> None:
        source = pathlib.Path(f"services/workflows/steps/{self.type}.py").read_text()
        ours = set(re.findall(r"^(?:from|import) (services[\w.]*)", source, re.MULTILINE))
        assert ours <= {"services.workflows.step"}

    async def test_the_sound_example_is_accepted(self) -> None:
        row, _ = await self.call()
        assert row.status in {"succeeded", "waiting"}, row.error

    async def test_what_it_keeps_is_json(self) -> None:
        row, _ = await self.call()
        orjson.dumps([row.output, row.state, row.input])

    async def test_each_effect_carries_the_key_of_run_and_step(self) -> None:
        _, outside = await self.call()
        assert bool(outside.asked) == self.step().effect
        assert all(key.endswith(":it") for key, _, _ in outside.asked)
