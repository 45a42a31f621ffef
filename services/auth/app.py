"""Auth's two applications."""

from fastapi import FastAPI

from services.auth.deps import lifespan
from services.auth.internal_routes import flags as internal_flags
from services.auth.internal_routes import identity, signingkeys
from services.auth.internal_routes import users as internal_users
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
from shared import webapp
from shared.settings import Settings


def create_app(settings: Settings) -> FastAPI:
    """The public application."""
    people = (accounts, sessions, users, secondfactor)
    routers = [item.router for item in (*people, organizations, members, invitations, apikeys, audit, flags, jwks)]
    routers += [docs.router] if settings.docs_enabled else []
    return webapp.public_app("auth", routers, settings, lifespan=lifespan)


def create_internal_app(settings: Settings) -> FastAPI:
    """The application for siblings."""
    return webapp.internal_app(
        "auth", [identity.router, internal_flags.router, internal_users.router, signingkeys.router], settings
    )
