"""Auth's two applications."""

from fastapi import FastAPI

from services.auth.deps import lifespan
from services.auth.internal_routes import identity, signingkeys
from services.auth.internal_routes import users as internal_users
from services.auth.routes import accounts, apikeys, jwks, organizations, sessions, users
from shared import webapp
from shared.settings import Settings


def create_app(settings: Settings) -> FastAPI:
    """The public application."""
    routers = [module.router for module in (accounts, sessions, users, organizations, apikeys, jwks)]
    return webapp.public_app("auth", routers, settings, lifespan=lifespan)


def create_internal_app(settings: Settings) -> FastAPI:
    """The application for siblings."""
    return webapp.internal_app("auth", [identity.router, internal_users.router, signingkeys.router], settings)
