"""The web side of every service: two FastAPI applications, pure ASGI middleware, problems as answers."""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from shared import asgi, degraded, deps, errors, health, strictjson, tracing
from shared.middleware import RequestMiddleware
from shared.settings import Settings

PREFIX = "/api/v1"
INTERNAL_LIMITS = dict.fromkeys(
    ("/internal/actions", "/internal/http", "/internal/calls", "/internal/events", "/internal/trigger-matches"),
    8 * 2**20,
)
_SLUGS = {
    400: "bad-request", 401: "invalid-token", 403: "forbidden", 404: "not-found", 405: "method-not-allowed",
    408: "timeout", 413: "content-too-large", 415: "unsupported-media-type", 422: "invalid",
}  # fmt: skip
_EXPOSED = [
    "ETag", degraded.HEADER, "Link", "Location", "RateLimit", "RateLimit-Policy", "Retry-After", "X-Trace-Id",
]  # fmt: skip
_TITLES = {405: "Method not allowed"}


class StrictRequest(Request):
    """A request whose JSON is read strictly."""

    async def json(self) -> Any:
        """The decoded body; raises BadRequest or Invalid."""
        if not hasattr(self, "_json"):
            self._json = strictjson.parse(await self.body())
        return self._json


class StrictRoute(APIRoute):
    """A route that hands FastAPI strictly read JSON, and refuses query parameters that it does not document.

    Public ones that do not ask who is calling are limited by address; `deps.get_principal` limits the others.
    """

    is_public = True

    def get_route_handler(self) -> Any:
        """Wraps the request before FastAPI reads it."""
        handle = super().get_route_handler()
        known = _query_names(self.dependant)
        anonymous = self.is_public and not _asks_who(self.dependant)

        async def strict(request: Request) -> Any:
            if self.is_public:
                request.app.state.service.database.admit()
            if anonymous:
                await request.app.state.service.gate.admit(request.scope)
            _check_query(request, known)
            reading = StrictRequest(request.scope, request.receive)
            if self.body_field is not None and "json" in request.headers.get("content-type", ""):
                await reading.json()  # here, because FastAPI turns what rises while it reads into a plain 400
            return await handle(reading)

        return strict


class Application(FastAPI):
    """FastAPI inside our own layers: what a layer answers itself passes nothing of the framework."""

    outermost: Any = None

    def surround(self, layer: Any, **options: Any) -> None:
        """Puts an ASGI middleware around everything so far."""
        self.outermost = layer(self.outermost or super().__call__, **options)

    def __call__(self, scope: Any, receive: Any, send: Any) -> Any:
        """One ASGI call, to be awaited."""
        return self.outermost(scope, receive, send)

    def build_middleware_stack(self) -> Any:
        """Without the layer that answers crashes in plain text: RequestMiddleware does, with a problem."""
        stack: Any = super().build_middleware_stack()
        return stack.app


class InternalRoute(StrictRoute):
    """A route for siblings, who limit themselves."""

    is_public = False


def _asks_who(dependant: Any) -> bool:
    return any(inner.call is deps.get_principal or _asks_who(inner) for inner in dependant.dependencies)


def _query_names(dependant: Any) -> frozenset[str]:
    own = {field.alias for field in dependant.query_params}
    return frozenset(own).union(*(_query_names(inner) for inner in dependant.dependencies))


def _check_query(request: Request, known: frozenset[str]) -> None:
    unknown = sorted(set(request.query_params) - known)
    if unknown:
        fields = [errors.FieldError(f"/query/{name}", "This route knows no such parameter.") for name in unknown]
        raise errors.Invalid("invalid", "A query parameter is unknown here.", errors=fields)


def router(*, prefix: str = PREFIX, tags: list[str] | None = None) -> APIRouter:
    """A router for `routes/<noun>.py`: strict JSON, under the public prefix."""
    return APIRouter(prefix=prefix, tags=list(tags or ()), route_class=StrictRoute)


def internal_router() -> APIRouter:
    """A router for `internal_routes/<noun>.py`."""
    return APIRouter(prefix="/internal", route_class=InternalRoute)


def public_app(
    service: str,
    routers: Sequence[APIRouter],
    settings: Settings,
    *,
    lifespan: Any = None,
    body_limits: Mapping[str, int] | None = None,
    quick: Any = None,
) -> Application:
    """The application behind the gateway: the API and readiness; `body_limits` are bytes by exact path.

    `quick` is the class of a middleware that answers some requests before FastAPI; it gets the application as `owner`.
    """
    document = f"{PREFIX}/openapi/{service}.json" if settings.docs_enabled else None
    app = _app(service, [health.readiness_router(), *routers], openapi_url=document)
    app.state.lifespan = lifespan
    if quick is not None:
        app.surround(quick, owner=app)
    if settings.cors_origins:
        app.surround(
            CORSMiddleware,
            allow_origins=list(settings.cors_origins),
            allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "If-Match", "traceparent"],
            expose_headers=_EXPOSED,
            max_age=600,
        )
    app.surround(RequestMiddleware, service=service, body_limits=body_limits or {})
    return app


def internal_app(service: str, routers: Sequence[APIRouter], _settings: Settings, *, quick: Any = None) -> Application:
    """The application of the internal port: siblings, probes and metrics; `quick` as in `public_app`."""
    app = _app(service, [*routers, health.internal_router()], openapi_url=None)
    if quick is not None:
        app.surround(quick, owner=app)
    app.surround(RequestMiddleware, service=service, body_limits=INTERNAL_LIMITS)
    return app


def _app(service: str, routers: Sequence[APIRouter], *, openapi_url: str | None) -> Application:
    app = Application(
        title=f"Floyo {service}",
        version="1",
        openapi_url=openapi_url,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False},
        responses={"default": {"description": "A problem", "content": {"application/problem+json": _PROBLEM}}},
    )
    for item in routers:
        app.include_router(item)
    app.add_exception_handler(errors.FloyoError, _render_problem)
    app.add_exception_handler(RequestValidationError, _render_invalid)
    app.add_exception_handler(HTTPException, _render_http)
    return app


_PROBLEM = {
    "schema": {
        "type": "object",
        "required": ["type", "title", "status", "detail", "trace_id", "errors"],
        "properties": {
            "type": {"type": "string"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "trace_id": {"type": "string"},
            "errors": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {"pointer": {"type": "string"}, "detail": {"type": "string"}},
                },
            },
        },
    }
}


def problem(error: errors.FloyoError) -> JSONResponse:
    """The RFC 9457 answer of a problem."""
    return JSONResponse(
        error.body(tracing.trace_id()),
        status_code=error.status,
        headers=error.headers,
        media_type="application/problem+json",
    )


async def _render_problem(_request: Request, error: Any) -> JSONResponse:
    asgi.note(error)
    return problem(error)


async def _render_invalid(_request: Request, error: Any) -> JSONResponse:
    return problem(invalid(error.errors()))


def invalid(found: Sequence[Any]) -> errors.Invalid:
    """The problem of a body, from what pydantic has found."""
    fields = [errors.FieldError(_pointer(item["loc"]), item["msg"].removeprefix("Value error, ")) for item in found]
    return errors.Invalid("invalid", f"{len(fields)} wrong field(s): {_summary(fields)}", errors=fields)


def _pointer(location: Sequence[str | int]) -> str:
    """A pointer into the body; other places carry their name first."""
    parts = [str(part).replace("~", "~0").replace("/", "~1") for part in location]
    return "/" + "/".join(parts[1:] if parts[:1] == ["body"] else parts) if parts[1:] else ""


def _summary(fields: Sequence[errors.FieldError]) -> str:
    return "; ".join(f"{field.pointer or 'body'}: {field.detail}" for field in fields[:3])


async def _render_http(_request: Request, error: Any) -> JSONResponse:
    refusal = errors.Remote(
        error.status_code,
        _SLUGS.get(error.status_code, f"http-{error.status_code}"),
        str(error.detail),
        title=_TITLES.get(error.status_code, str(error.detail)),
        headers=error.headers,
    )
    return problem(refusal)
