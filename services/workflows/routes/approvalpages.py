"""The page that a letter about an approval leads to: it asks, and decides nothing until somebody does."""

import pathlib
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path
from fastapi.responses import FileResponse

from shared import errors, webapp

STATIC = pathlib.Path(__file__).resolve().parents[1] / "static"
FILES = {"approval.css": "text/css", "approval.js": "text/javascript"}
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-cache",
    "Referrer-Policy": "no-referrer",
}

router = APIRouter(prefix=webapp.PREFIX, include_in_schema=False)


@router.get("/approvals/pages/{approval_id}")
async def get_page(_approval_id: Annotated[UUID, Path(alias="approval_id")]) -> FileResponse:
    """The same for every approval, there or not: what is asked is shown to whoever has logged in."""
    return FileResponse(STATIC / "approval.html", media_type="text/html", headers=HEADERS)


@router.get("/approvals/assets/{name}")
async def get_asset(name: str) -> FileResponse:
    """What the page is made of."""
    if name not in FILES:
        raise errors.NotFound("not-found", "There is no such file.")
    return FileResponse(STATIC / name, media_type=FILES[name], headers=HEADERS)
