"""Auth's two applications."""

from fastapi import FastAPI

from services.auth.deps import lifespan
from services.auth.internal_routes import flags as internal_flags
from services.auth.internal_routes import identity, signingkeys
from services.auth.internal_routes import users as internal_users
from services.auth.internal_routes.messages import HANDLERS
from services.auth.routes import (
    accounts,
    apikeys,
    audit,
    docs,
    flags,
    invitations,
    jwks,
    members,
    organizations,
    secondfactor,
    sessions,
    users,
)
from services.auth.routes.quick import QuickLogin
from services.auth.storage.tables import inbox
from shared import inbox as inboxes
from shared import webapp
from shared.settings import Settings


def create_app(settings: Settings) -> FastAPI:
    """The public application."""
    people = (accounts, sessions, users, secondfactor)
    routers = [item.router for item in (*people, organizations, members, invitations, apikeys, audit, flags, jwks)]
    routers += [docs.router] if settings.docs_enabled else []
    return webapp.public_app("auth", routers, settings, lifespan=lifespan, quick=QuickLogin)


def create_internal_app(settings: Settings) -> FastAPI:
    """The application for siblings."""
    routers = [item.router for item in (identity, internal_flags, internal_users, signingkeys)]
    return webapp.internal_app("auth", [*routers, inboxes.router(inbox, HANDLERS)], settings)
