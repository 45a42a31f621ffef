"""The step type http."""

from tests.workflows.steps.contract import StepContract


class TestHttp(StepContract):
    type = "http"
    sound = {"method": "POST", "url": "https://example.com/{{ run.id }}", "body": {"n": 1}}  # noqa: RUF012

    async def test_sends_what_was_rendered(self) -> None:
        row, outside = await self.call()
        _, _, request = outside.asked[0]
        assert request["url"].startswith("https://example.com/0")
        assert request["method"] == "POST"
        assert row.output == {"status": 200, "headers": {}, "body": {}}
