"""http: one HTTP request, performed by the integrations service; refused answers fail, passing faults are retried."""

from typing import Annotated, Any, Literal

from pydantic import Field

from services.workflows.step import Context, Done, Failed, Inputs, Outcome, Retry, Step

PASSING = frozenset({408, 425, 429})


class Http(Inputs):
    """The request; `body` is sent as JSON unless it is text."""

    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    url: Annotated[str, Field(min_length=1, max_length=8_192)]
    headers: Annotated[dict[str, str], Field(default_factory=dict, max_length=100)]
    query: Annotated[dict[str, str | int | float | bool], Field(default_factory=dict, max_length=100)]
    body: Any = None


async def run(inputs: Http, context: Context) -> Outcome:
    """Answer {status, headers, body} of a 2xx or 3xx answer."""
    answer = await context.integrations.http(context, inputs.model_dump(mode="json"))
    status = int(answer["status"])
    if status < 400:
        return Done(answer)
    detail = f"the target answered {status}"
    if status in PASSING or status >= 500:
        return Retry("http-status", detail, after=_asked(answer.get("headers", {})))
    return Failed("http-status", detail)


def _asked(headers: dict[str, str]) -> float:
    """The seconds of Retry-After, at most an hour; 0 when it names none."""
    value = next((text for name, text in headers.items() if name.lower() == "retry-after"), "")
    return min(float(value), 3_600.0) if value.isdecimal() else 0.0


STEP = Step(type="http", inputs=Http, run=run, effect=True)
