"""Probes: liveness looks at no dependency, readiness at this instance alone, detailed at every component."""

import time
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter, Response

from shared import errors, jobs, metrics, migrate
from shared.deps import ServiceDep
from shared.service import Service
from shared.testing import faults

STARVED_SECONDS = 2.0
SILENT_SECONDS = 90.0


def readiness_router() -> APIRouter:
    """The one probe that answers on both ports."""
    router = APIRouter(include_in_schema=False)
    router.add_api_route("/health/readiness", readiness, methods=["GET", "HEAD"])
    return router


def internal_router() -> APIRouter:
    """Every probe and the metrics, for the internal port."""
    router = APIRouter(include_in_schema=False)
    router.add_api_route("/health/liveness", liveness)
    router.add_api_route("/health/readiness", readiness)
    router.add_api_route("/health/startup", startup)
    router.add_api_route("/health/detailed", detailed)
    router.add_api_route("/health/migrations", migrations)
    router.add_api_route("/metrics", render_metrics)
    return router


async def liveness(service: ServiceDep, response: Response) -> dict[str, str]:
    """Alive as long as the event loop turns; a worker, besides, as long as it looks for jobs where there is a queue."""
    silent = service.looked_at is not None and time.monotonic() - service.looked_at > SILENT_SECONDS
    if silent and (await _measure(lambda: _ping_redis(service)))["status"] == "ok":
        response.status_code = 503
        return {"status": "stuck", "reason": "no look at the queue"}
    return {"status": "ok"}


async def readiness(service: ServiceDep, response: Response) -> dict[str, Any]:
    """503 while draining, unmigrated or starved of its own pool; a shared fault leaves it ready, but `degraded`."""
    reason = await _fault(service)
    if reason is not None:
        response.status_code = 503
        return {"status": "unready", "reason": reason, "pool": _pool(service)}
    return {"status": "degraded" if service.database.failing else "ready"}


async def startup(service: ServiceDep, response: Response) -> dict[str, str]:
    """503 until the schema is the one this code was written for."""
    if not await _is_migrated(service):
        response.status_code = 503
        return {"status": "starting"}
    return {"status": "started"}


async def migrations(service: ServiceDep) -> dict[str, Any]:
    """The revision of the database and the one this code needs."""
    wanted = migrate.head(service.name)
    found = await migrate.current(service.database)
    return {"status": "ok" if found == wanted else "behind", "current": found, "head": wanted}


async def detailed(service: ServiceDep) -> dict[str, Any]:
    """Every component with its state and figures; `degraded` when one is not ok."""
    components = {
        "database": await _measure(service.database.ping),
        "pool": _pool(service),
        "migrations": await _component(lambda: migrations(service)),
        "redis": await _measure(lambda: _ping_redis(service)),
        "queue": await _component(lambda: jobs.depth(service.redis, service.name)),
        "workers": await _component(lambda: jobs.workers(service.redis, service.name)),
        "revocations": {"status": "silent" if service.verifier.feed_silent else "ok"},
        "siblings": await service.siblings.describe(),
        "loops": {
            "status": "ok" if not any(task.done() for task in service.loops.values()) else "ended",
            "running": sorted(name for name, task in service.loops.items() if not task.done()),
        },
        **{name: await _component(probe) for name, probe in service.components.items()},
    }
    good = all(component["status"] == "ok" for component in components.values())
    return {
        "status": "ok" if good else "degraded",
        "service": service.name,
        "instance": service.settings.instance,
        "draining": service.draining,
        "components": components,
    }


async def render_metrics(service: ServiceDep) -> Response:
    """Prometheus exposition."""
    figures = service.database.figures()
    metrics.POOL.labels("size").set(figures.size)
    metrics.POOL.labels("checked_out").set(figures.checked_out)
    metrics.POOL.labels("waiting").set(figures.waiting)
    return Response(metrics.render(), media_type=metrics.CONTENT_TYPE)


async def _fault(service: Service) -> str | None:
    if service.draining:
        return "draining"
    if faults.active("readiness-asks-database"):
        await service.database.ping()
    starved = service.database.starved_for() >= STARVED_SECONDS and not faults.active("blind-to-the-pool")
    if starved and await service.database.answers():
        return "pool exhausted"
    try:
        return None if await _is_migrated(service) else "migrations"
    except errors.Unavailable:
        return "migrations unknown"


async def _is_migrated(service: Service) -> bool:
    if not service.migrated:
        service.migrated = await migrate.current(service.database) == migrate.head(service.name)
    return service.migrated


def _pool(service: Service) -> dict[str, Any]:
    figures = service.database.figures()
    return {
        "status": "ok" if figures.waiting == 0 else "waiting",
        "size": figures.size,
        "checked_out": figures.checked_out,
        "waiting": figures.waiting,
        "utilisation": round(figures.checked_out / figures.size, 3) if figures.size else 0.0,
    }


async def _ping_redis(service: Service) -> None:
    await service.redis.ping()


async def _measure(probe: Callable[[], Awaitable[None]]) -> dict[str, Any]:
    async def timed() -> dict[str, Any]:
        started = time.perf_counter()
        await probe()
        return {"status": "ok", "milliseconds": round((time.perf_counter() - started) * 1000, 2)}

    return await _component(timed)


async def _component(probe: Callable[[], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
    try:
        return await probe()
    except Exception as error:  # noqa: BLE001  # a probe names what is broken, whatever it is
        return {"status": "down", "error": type(error).__name__}
