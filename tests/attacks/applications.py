"""The public applications of every service as objects: for preflights, OpenAPI documents and declared permissions."""

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import httpx2
from fastapi import FastAPI
from pydantic import BaseModel

from shared import crypto
from shared.deps import Allow
from shared.server import settings_class

SERVICES = ("auth", "events", "workflows", "integrations")
ORIGIN = "https://app.example.com"
METHODS = {"get", "post", "put", "patch", "delete"}


@cache
def application(service: str) -> FastAPI:
    """The public application, with settings that connect to nothing."""
    seed = crypto.encode64(b"s" * 32)
    fields: dict[str, Any] = {
        "environment": "test",
        "secret_key": "0123456789abcdefghijklmnopqrstuvwxyz-in-tests",
        "cors_origins": (ORIGIN,),
        "database_url": "postgresql://nobody@127.0.0.1:1/nothing",
        "system_database_url": "postgresql://nobody@127.0.0.1:1/nothing",
        "redis_url": "redis://127.0.0.1:1/0",
        "service_key": seed,
        "service_public_keys": {},
        "credential_keys": "k1:" + crypto.encode64(b"c" * 32) + "=",
    }
    settings = settings_class(service)(**fields)
    app: FastAPI = importlib.import_module(f"services.{service}.app").create_app(settings)
    return app


async def ask_preflight(service: str, origin: str) -> httpx2.Response:
    """What the service answers to a browser that asks for another origin."""
    transport = httpx2.ASGITransport(application(service))
    async with httpx2.AsyncClient(transport=transport, base_url="http://floyo") as client:
        headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        return await client.options("/api/v1/anything", headers=headers)


@dataclass(frozen=True)
class Operation:
    """One route and method, and the permission that it declares."""

    service: str
    method: str
    path: str
    permission: str | None

    @property
    def name(self) -> str:
        """Its line in the policy file."""
        return f"{self.service} {self.method} {self.path}"

    @property
    def parameters(self) -> list[str]:
        """The names in its path."""
        return [part[1:-1] for part in self.path.split("/") if part.startswith("{")]


@cache
def operations() -> tuple[Operation, ...]:
    """Every documented operation of every service."""
    found = []
    for service in SERVICES:
        declared = {(method, path): dependant for path, methods, dependant in _routes(service) for method in methods}
        for path, item in application(service).openapi()["paths"].items():
            for method in sorted(METHODS & item.keys()):
                dependant = declared[method.upper(), path]
                found.append(Operation(service, method.upper(), path, _permission(dependant)))
    return tuple(found)


def _routes(service: str) -> Iterator[tuple[str, set[str], Any]]:
    for route in application(service).routes:
        yield from _below(route)


def _below(route: Any) -> Iterator[tuple[str, set[str], Any]]:
    if hasattr(route, "effective_candidates"):
        for inner in route.effective_candidates():
            yield from _below(inner)
    elif hasattr(route, "dependant"):
        yield route.path, set(route.methods), route.dependant


def bodies(service: str) -> dict[str, type[BaseModel]]:
    """The models that the routes of a service read their bodies into, by name."""
    dependants = [dependant for _, _, dependant in _routes(service) if dependant is not None]
    fields = [field for dependant in dependants for field in dependant.body_params]
    found = [field.field_info.annotation for field in fields]
    return {model.__name__: model for model in found if isinstance(model, type) and issubclass(model, BaseModel)}


def _permission(dependant: Any) -> str | None:
    """The permission of the `Allow` among the dependencies of a route."""
    if isinstance(dependant.call, Allow):
        return dependant.call.permission
    found = (_permission(inner) for inner in dependant.dependencies)
    return next((permission for permission in found if permission), None)
