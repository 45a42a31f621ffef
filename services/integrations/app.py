"""The two applications of the integrations service: wiring only."""

from fastapi import FastAPI

from services.integrations import connectors as plugins
from services.integrations.deps import open_desk
from services.integrations.internal_routes import audiences, connections, people, references
from services.integrations.internal_routes.messages import HANDLERS
from services.integrations.internal_routes.quick import QuickCalls
from services.integrations.routes import authorization, connectors, hooks, integrations, webhooks
from services.integrations.settings import Settings
from services.integrations.storage.tables import inbox
from shared import inbox as inboxes
from shared import webapp
from shared.settings import load


def create_app(settings: Settings | None = None) -> FastAPI:
    """The public API."""
    routers = [connectors.router, integrations.router, hooks.router, webhooks.router, authorization.router]
    return webapp.public_app("integrations", routers, settings or load(Settings), lifespan=open_desk(plugins))


def create_internal_app(settings: Settings | None = None) -> FastAPI:
    """What siblings and probes reach."""
    routers = [
        references.router, connections.router, audiences.router, people.router, inboxes.router(inbox, HANDLERS),
    ]  # fmt: skip
    return webapp.internal_app("integrations", routers, settings or load(Settings), quick=QuickCalls)
