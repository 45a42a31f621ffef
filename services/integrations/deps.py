"""What this service's routes may ask for beyond `shared.deps`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Annotated

from fastapi import Depends, Header

from services.integrations.connector import Connector
from services.integrations.domain import hooks, sending
from services.integrations.domain.authorization import Keeper
from services.integrations.domain.catalog import Catalog
from services.integrations.domain.outlets import Outlets
from services.integrations.settings import Settings
from shared import registry
from shared.crypto import KeyRing
from shared.database import Database
from shared.deps import ServiceDep
from shared.egress import Egress
from shared.service import Lifespan, Service


@dataclass(frozen=True)
class Desk:
    """The catalogue of connectors, the keys of the vault and the guarded way out."""

    catalog: Catalog
    ring: KeyRing
    outlets: Outlets

    def keeper(self, database: Database) -> Keeper:
        """What keeps tokens fresh."""
        return Keeper(database, self.catalog, self.ring, self.outlets)


def open_desk(connectors: ModuleType) -> Lifespan:
    """A lifespan that attaches the desk, with the connectors of a package, to the process."""
    catalog = Catalog(registry.discover(connectors, "CONNECTOR", Connector))

    @asynccontextmanager
    async def opened(service: Service) -> AsyncIterator[None]:
        settings = service.settings
        if not isinstance(settings, Settings):
            raise TypeError("the integrations service needs its own settings")
        egress = Egress(settings.egress_policy)
        desk = Desk(catalog, settings.key_ring, Outlets(egress))
        service.attach(desk)
        service.components |= {
            "breakers": desk.outlets.describe,
            "hook_deliveries": partial(hooks.due, service.database),
            "webhook_deliveries": partial(sending.due, service.database),
        }
        try:
            yield
        finally:
            await egress.close()

    return opened


async def get_desk(service: ServiceDep) -> Desk:
    """The desk of this process."""
    return service.part(Desk)


DeskDep = Annotated[Desk, Depends(get_desk)]
IfMatch = Annotated[str | None, Header(alias="If-Match", max_length=200)]
