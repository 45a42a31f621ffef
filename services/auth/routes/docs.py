"""One page that shows the API documents of all services, with every byte of it served from here."""

from importlib.util import find_spec
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse

from shared import errors

OWN = Path(__file__).resolve().parents[1] / "static"
FILES = {
    "page.css": "text/css",
    "page.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
}
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-cache",
}

router = APIRouter(include_in_schema=False)


@router.get("/docs")
async def get_page() -> FileResponse:
    """The page."""
    return FileResponse(OWN / "page.html", media_type="text/html", headers=HEADERS)


@router.get("/docs/{name}")
async def get_file(name: str) -> FileResponse:
    """What the page is made of."""
    if name not in FILES:
        raise errors.NotFound("not-found", "There is no such file.")
    return FileResponse(find(name), media_type=FILES[name], headers=HEADERS)


def find(name: str) -> Path:
    """Our own file, or the one that the installed Swagger UI brings along."""
    if (own := OWN / name).is_file():
        return own
    installed = find_spec("fastapi_offline")
    if installed is None or installed.origin is None:
        raise errors.NotFound("not-found", "Swagger UI is not installed.")
    return Path(installed.origin).parent / "static" / name
