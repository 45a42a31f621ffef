"""Problems that callers may see, each a stable slug rendered as RFC 9457 by the web layer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

TYPE_PREFIX = "urn:floyo:problem:"


@dataclass(frozen=True, slots=True)
class FieldError:
    """One wrong field: a JSON Pointer into the body (or /query/name, /path/name, /header/name) and a sentence."""

    pointer: str
    detail: str


class FloyoError(Exception):
    """A refusal or failure with a stable slug, safe to show to the caller as it is."""

    status: int = 500
    title: str = "Internal error"

    def __init__(
        self,
        slug: str,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
        extensions: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(f"{slug}: {detail}")
        self.slug = slug
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})
        self.extensions = dict(extensions or {})

    def body(self, trace_id: str) -> dict[str, Any]:
        """The problem document: {type, title, status, detail, trace_id, errors[]} and extensions."""
        return {
            **self.extensions,
            "type": TYPE_PREFIX + self.slug,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "trace_id": trace_id,
            "errors": [{"pointer": error.pointer, "detail": error.detail} for error in self.errors],
        }


class BadRequest(FloyoError):
    """The request cannot be read at all."""

    status = 400
    title = "Bad request"


class Unauthorized(FloyoError):
    """No valid proof of identity."""

    status = 401
    title = "Unauthorized"

    def __init__(self, slug: str, detail: str, **options: Any) -> None:
        super().__init__(slug, detail, **options)
        self.headers.setdefault("WWW-Authenticate", "Bearer")


class Forbidden(FloyoError):
    """Known, but without the right inside the organisation."""

    status = 403
    title = "Forbidden"


class NotFound(FloyoError):
    """Missing, or another organisation's: the answers are the same."""

    status = 404
    title = "Not found"

    def __init__(self, slug: str = "not-found", detail: str = "There is nothing here.", **options: Any) -> None:
        super().__init__(slug, detail, **options)


class Conflict(FloyoError):
    """The state of the resource does not allow it."""

    status = 409
    title = "Conflict"


class PreconditionFailed(FloyoError):
    """If-Match names another version than the current one."""

    status = 412
    title = "Precondition failed"


class TooLarge(FloyoError):
    """More bytes or items than one request may hold."""

    status = 413
    title = "Content too large"


class Unsupported(FloyoError):
    """A media type or encoding that this route does not read."""

    status = 415
    title = "Unsupported media type"


class Invalid(FloyoError):
    """Readable, but wrong in the named fields."""

    status = 422
    title = "Invalid input"


class TooManyRequests(FloyoError):
    """A limit is used up."""

    status = 429
    title = "Too many requests"


class Unavailable(FloyoError):
    """A dependency is down or full; trying again later helps."""

    status = 503
    title = "Service unavailable"

    def __init__(self, slug: str, detail: str, *, retry_after: int = 1, **options: Any) -> None:
        super().__init__(slug, detail, **options)
        self.headers.setdefault("Retry-After", str(retry_after))


class Remote(FloyoError):
    """A sibling's problem, passed on with its own status and slug."""

    def __init__(self, status: int, slug: str, detail: str, *, title: str, **options: Any) -> None:
        super().__init__(slug, detail, **options)
        self.status = status
        self.title = title


def invalid_field(pointer: str, detail: str, slug: str = "invalid") -> Invalid:
    """A 422 about one field."""
    return Invalid(slug, detail, errors=[FieldError(pointer, detail)])
