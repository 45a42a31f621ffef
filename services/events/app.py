"""The two applications of the events service: wiring only."""

from fastapi import FastAPI

from services.events.deps import lifespan
from services.events.internal_routes import events as internal_events
from services.events.messages import HANDLERS
from services.events.routes import events, ingest, jobs, patterns, stats, suggestions
from services.events.settings import Settings
from services.events.storage.tables import inbox_message
from shared import inbox, webapp


def create_app(settings: Settings) -> FastAPI:
    """The API behind the gateway."""
    # jobs before events: /events/jobs/… would otherwise be read as an event's id
    routers = [module.routes for module in (ingest, jobs, events, patterns, suggestions, stats)]
    return webapp.public_app("events", routers, settings, lifespan=lifespan)


def create_internal_app(settings: Settings) -> FastAPI:
    """What siblings call."""
    return webapp.internal_app("events", [internal_events.routes, inbox.router(inbox_message, HANDLERS)], settings)
