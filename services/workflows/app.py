"""The two applications of the workflows service: wiring only."""

from fastapi import FastAPI

from services.workflows.deps import open_waiters
from services.workflows.internal_routes import lineage, people
from services.workflows.internal_routes import workflows as internal_workflows
from services.workflows.internal_routes.messages import HANDLERS
from services.workflows.routes import approvalpages, approvals, runs, versions, workflows
from services.workflows.routes.quick import QuickStart
from services.workflows.settings import Settings
from services.workflows.storage.tables import inbox
from shared import inbox as inboxes
from shared import webapp
from shared.settings import load


def create_app(settings: Settings | None = None) -> FastAPI:
    """The public API."""
    routers = [versions.router, workflows.router, runs.router, approvals.router, approvalpages.router]
    return webapp.public_app("workflows", routers, settings or load(Settings), lifespan=open_waiters, quick=QuickStart)


def create_internal_app(settings: Settings | None = None) -> FastAPI:
    """What siblings and probes reach."""
    routers = [internal_workflows.router, lineage.router, people.router, inboxes.router(inbox, HANDLERS)]
    return webapp.internal_app("workflows", routers, settings or load(Settings))
