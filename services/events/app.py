"""The two applications of the events service: wiring only."""

from fastapi import FastAPI

from services.events.deps import BODY_LIMITS, lifespan
from services.events.internal_routes import events as internal_events
from services.events.internal_routes import people
from services.events.internal_routes.messages import HANDLERS
from services.events.routes import decisions, events, exports, ingest, jobs, live, patterns, stats, suggestions, uploads
from services.events.routes.frames import LiveProtocol
from services.events.routes.quick import QuickIngest
from services.events.settings import Settings
from services.events.storage.tables import inbox_message
from shared import inbox, webapp


def create_app(settings: Settings) -> FastAPI:
    """The API behind the gateway."""
    # What has a name of its own under /events comes before `events`, which would read it as an event's id.
    modules = (ingest, uploads, jobs, decisions, exports, events, patterns, suggestions, stats, live)
    routers = [module.routes for module in modules]
    app = webapp.public_app("events", routers, settings, lifespan=lifespan, body_limits=BODY_LIMITS, quick=QuickIngest)
    app.state.socket_protocol = LiveProtocol
    return app


def create_internal_app(settings: Settings) -> FastAPI:
    """What siblings call."""
    routers = [internal_events.routes, people.routes, inbox.router(inbox_message, HANDLERS)]
    return webapp.internal_app("events", routers, settings)
