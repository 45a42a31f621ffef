"""The step type transform."""

from tests.workflows.steps.contract import StepContract


class TestTransform(StepContract):
    type = "transform"
    sound = {"output": {"a": [1, "{{ run.id }}"]}}  # noqa: RUF012
