"""The contract of connectors: what one declares, and the only means by which it reaches its target."""

import base64
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Protocol

import orjson
from pydantic import BaseModel, ConfigDict, Field, model_validator

from shared.destinations import WEB, Ports, forbidden, parse_url
from shared.egress import MAX_BYTES, MAX_SECONDS, Response, Socket, TargetFailed

MAX_CONTENT: Final = 3_000_000
TEMPORARY_STATUSES: Final = frozenset({408, 425, 429, 500, 502, 503, 504, 507, 509, 520, 521, 522, 523, 524, 529})
_ERROR: Final = 400
_CREDENTIAL_STATUSES: Final = frozenset({401, 403})


class Shape(BaseModel):
    """The base of settings, inputs and outputs: unknown fields are refused, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Nothing(Shape):
    """No input, or nothing worth saying."""


class Payload(Shape):
    """Content to write, as text or as base64, of at most 3 MB; what is larger does not pass through a workflow."""

    text: Annotated[str | None, Field(max_length=MAX_CONTENT)] = None
    content_base64: Annotated[str | None, Field(max_length=MAX_CONTENT * 4 // 3)] = None

    @model_validator(mode="after")
    def _check_content(self) -> "Payload":
        if (self.text is None) == (self.content_base64 is None):
            raise ValueError("give either text or content_base64")
        if len(self.content()) > MAX_CONTENT:
            raise ValueError(f"holds more than {MAX_CONTENT} bytes")
        return self

    def content(self) -> bytes:
        """The bytes."""
        return base64.b64decode(self.content_base64 or "", validate=True) if self.text is None else self.text.encode()


class Content(Shape):
    """Bytes that were read."""

    content_base64: str

    @classmethod
    def of(cls, body: bytes) -> "Content":
        """From what came."""
        return cls(content_base64=base64.b64encode(body).decode())


@dataclass(frozen=True, slots=True)
class Target:
    """A host (`.example.com`: all below it) and port that a credential may travel to; `secure` if encrypted."""

    host: str
    port: int = 443
    secure: bool = True

    def covers(self, host: str, port: int) -> bool:
        """Tell whether a call to this host and port stays within the target."""
        same = host.endswith(self.host) if self.host.startswith(".") else host == self.host
        return same and port == self.port

    def is_new_beside(self, known: Iterable["Target"]) -> bool:
        """Whether a credential has not travelled here so well protected as it would, or not at all."""
        return not any(
            (one.host, one.port) == (self.host, self.port) and (self.secure or not one.secure) for one in known
        )


@dataclass(frozen=True, slots=True)
class Secret:
    """A named secret of an integration, sealed in storage and never answered."""

    name: str
    description: str
    required: bool = True


class Outlet(Protocol):
    """The guarded way out that a call is given; a rehearsal is given none."""

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        query: Mapping[str, str] | None,
        body: bytes | None,
        ports: Ports,
        hosts: Iterable[str] | None,
        timeout: float,  # noqa: ASYNC109
        limit: int,
    ) -> Response:
        """As `shared.egress.Egress.request`, behind the target's circuit breaker."""

    async def connect(self, host: str, port: int, *, ports: Ports, timeout: float) -> Socket:  # noqa: ASYNC109
        """As `shared.egress.Egress.connect`, behind the target's circuit breaker."""


@dataclass(frozen=True, slots=True)
class Call:
    """One use of an integration: its settings, its secrets, and calls that stay within its declared targets."""

    connector: "Connector"
    settings: Any
    secrets: Mapping[str, str] = field(repr=False)
    outlet: Outlet
    idempotency_key: str | None = None
    cause: str | None = None
    timeout: float = MAX_SECONDS

    def secret(self, name: str) -> str:
        """A stored secret; raises TargetFailed `credential-missing`."""
        found = self.secrets.get(name)
        if not found:
            raise TargetFailed("credential-missing", f"The integration holds no secret {name!r}.", retryable=False)
        return found

    def bearer(self, name: str) -> dict[str, str]:
        """The header that shows a stored token."""
        return {"Authorization": f"Bearer {self.secret(name)}"}

    async def http(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        body: object = None,
        limit: int = MAX_BYTES,
    ) -> Response:
        """Call an address within the targets and answer whatever came back; `body` as `encode_body` reads it."""
        parsed = parse_url(url)
        self._require_target(parsed.raw_host or "", parsed.port or 0)
        sent, content = encode_body(body, headers or {})
        if self.idempotency_key and not any(name.lower() == "idempotency-key" for name in sent):
            sent["Idempotency-Key"] = self.idempotency_key
        if self.cause:  # whatever the input says: a chain that could name its own length would have no end
            sent = {name: value for name, value in sent.items() if name.lower() != "floyo-cause"}
            sent["Floyo-Cause"] = self.cause
        return await self.outlet.request(
            method,
            url,
            headers=sent,
            query=query,
            body=content,
            ports=self.connector.ports,
            hosts=[target.host for target in self.connector.targets(self.settings)],
            timeout=self.timeout,
            limit=limit,
        )

    async def fetch(self, method: str, url: str, **options: Any) -> Response:
        """Like `http`, but a status of 400 or more raises, as `expect` does."""
        return self.expect(await self.http(method, url, **options))

    def expect(self, response: Response) -> Response:
        """The response, or TargetFailed for a status of 400 or more, retryable if the status says so."""
        if response.status < _ERROR:
            return response
        refused = response.status in _CREDENTIAL_STATUSES
        problem = TargetFailed(
            "credential-refused" if refused else "target-refused",
            f"The target answered {response.status}.",
            retryable=response.status in TEMPORARY_STATUSES,
        )
        problem.extensions["target_status"] = response.status
        raise problem

    async def connect(self, host: str, port: int) -> Socket:
        """A connected, checked socket within the targets, for other protocols; the connector closes it."""
        self._require_target(host, port)
        return await self.outlet.connect(host, port, ports=self.connector.ports, timeout=self.timeout)

    def failure(self, code: str, detail: str) -> TargetFailed:
        """The problem for an error code of the target, judged by what the connector declares of the code."""
        slug = "credential-refused" if code in self.connector.refusals else "target-refused"
        problem = TargetFailed(slug, detail, retryable=code in self.connector.temporary)
        problem.extensions["target_code"] = code
        return problem

    def _require_target(self, host: str, port: int) -> None:
        if not any(target.covers(host, port) for target in self.connector.targets(self.settings)):
            raise forbidden("The integration's credential does not travel to this host and port.")


@dataclass(frozen=True, slots=True)
class Action:
    """Something a connector does; `run` gets the call and a validated `input`, and answers an `output`."""

    id: str
    description: str
    input: type[BaseModel]
    output: type[BaseModel]
    run: Callable[[Call, Any], Awaitable[BaseModel]]


@dataclass(frozen=True, slots=True)
class Authorization:
    """OAuth 2.0 endpoints of a connector; tokens are kept as the secrets access_token and refresh_token."""

    authorize_url: str
    token_url: str
    scopes: tuple[str, ...] = ()
    extra: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Connector:
    """A kind of integration. `targets` derives from settings where credentials may travel; `test` proves one.

    `temporary` are the target's error codes worth a retry, `refusals` those that blame the credential; statuses are
    judged by TEMPORARY_STATUSES.
    """

    id: str
    name: str
    description: str
    settings: type[BaseModel]
    secrets: tuple[Secret, ...]
    actions: tuple[Action, ...]
    targets: Callable[[Any], tuple[Target, ...]]
    test: Callable[[Call], Awaitable[None]]
    ports: Ports = WEB
    hooks: tuple[str, ...] = ()
    temporary: frozenset[str] = frozenset()
    refusals: frozenset[str] = frozenset()
    authorization: Authorization | None = None

    def action(self, action_id: str) -> Action | None:
        """The action of that id, if there is one."""
        return next((action for action in self.actions if action.id == action_id), None)


def target_of(url: str) -> Target:
    """The target that a URL in settings stands for; raises Invalid `destination-forbidden`."""
    parsed = parse_url(url)
    return Target(parsed.raw_host or "", parsed.port or 0, secure=parsed.scheme == "https")


def base_target(settings: Any) -> tuple[Target, ...]:
    """The targets of a connector whose settings hold one `base_url`."""
    return (target_of(settings.base_url),)


def checked_url(url: str) -> str:
    """A validator for URLs in settings: the same text, or ValueError."""
    try:
        parse_url(url)
    except Exception as error:
        raise ValueError(getattr(error, "detail", "not a URL")) from error
    return url


def encode_body(body: object, headers: Mapping[str, str]) -> tuple[dict[str, str], bytes | None]:
    """Bytes as they are, text as UTF-8, anything else as JSON; a content type is added where none is given."""
    sent = dict(headers)
    if body is None:
        return sent, None
    if isinstance(body, bytes):
        content, kind = body, "application/octet-stream"
    elif isinstance(body, str):
        content, kind = body.encode(), "text/plain; charset=utf-8"
    else:
        content, kind = orjson.dumps(body), "application/json"
    if not any(name.lower() == "content-type" for name in sent):
        sent["Content-Type"] = kind
    return sent, content


def decode_body(response: Response) -> Any:
    """JSON decoded, other text as text, the rest as {"base64": …}; an empty body is None."""
    if not response.body:
        return None
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        if kind == "application/json" or kind.endswith("+json"):
            return orjson.loads(response.body)
        text = response.body.decode()
    except ValueError:
        text = None
    if text is None or "\x00" in text:
        return {"base64": base64.b64encode(response.body).decode()}
    return text
