"""Feature flags, as they stand for the caller."""

from typing import Annotated

from fastapi import Path

from services.auth.deps import ContextDep, PlatformAdmin
from services.auth.domain import flags
from services.auth.schemas.flags import Flag, Override, PutFlag
from shared import degraded, webapp
from shared.deps import CurrentPrincipal, ServiceDep
from shared.flags import FLAGS, Flags
from shared.identity import Principal
from shared.pagination import Page
from shared.service import Service

router = webapp.router(tags=["flags"])
FlagName = Annotated[str, Path(pattern="^[a-z][a-z0-9-]{0,62}$")]


@router.get("/flags", responses=degraded.RESPONSES)
async def list_flags(principal: CurrentPrincipal, service: ServiceDep) -> Page[Flag]:
    """Every flag and whether it is on for you; by what was last read while the database is away."""
    if service.part(Flags).stale:
        degraded.note("flags")
    return Page(items=await _shown(service, principal))


@router.put("/flags/{name}")
async def put_flag(
    name: FlagName, body: PutFlag, principal: PlatformAdmin, context: ContextDep, service: ServiceDep
) -> Flag:
    """Set a flag, as platform administrator; every process follows within five seconds."""
    await flags.put(context, principal, name, **body.model_dump())
    await service.part(Flags).load()
    return next(flag for flag in await _shown(service, principal) if flag.name == name)


async def _shown(service: Service, principal: Principal) -> list[Flag]:
    overrides = {}
    if principal.platform_admin:
        overrides = {item["name"]: Override(**item) for item in await flags.list_overrides(service.database)}
    subject = {"organization_id": principal.organization_id, "user_id": principal.user_id}
    return [
        Flag(
            name=flag.name,
            description=flag.description,
            default=flag.default,
            enabled=service.part(Flags).enabled(flag, **subject),
            override=overrides.get(flag.name),
        )
        for flag in FLAGS.values()
    ]
