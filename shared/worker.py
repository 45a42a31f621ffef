"""One worker process: arq for wake-ups, supervised loops, and an internal port for health and metrics."""

import asyncio
import contextlib
import importlib
import os
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import arq.worker
import uvicorn

from shared import bell, collector, jobs, log, metrics, server, service, settings, tracing, webapp
from shared.service import Lifespan, Loop, Service
from shared.testing import faults

MAX_JOBS = 100
REST_SECONDS = 1.0
JOB_TIMEOUT = 60
HEALTH_INTERVAL = 10
GRACE_SECONDS = 20
RESTART_SECONDS = 1.0

Job = Callable[[Service], Awaitable[None]]

_log = log.get(__name__)


@dataclass(frozen=True)
class WorkerSettings:
    """What a service's worker does: jobs that a wake-up may name, loops that always run."""

    service: str
    jobs: Sequence[Job]
    loops: Sequence[Loop]
    lifespan: Lifespan | None = None


def work(name: str, internal: socket.socket) -> int:
    """Works until SIGTERM; returns the exit status (2 when the settings refuse)."""
    try:
        faults.check()
        config = settings.load(server.settings_class(name))
    except (faults.FaultsRefused, settings.SettingsError) as error:
        sys.stderr.write(f"{name}-worker refuses to start:\n{error}\n")
        return 2
    log.configure(f"{name}-worker", config.instance)
    module = importlib.import_module(f"services.{name}.worker")
    factory = uvicorn.Config(app=work, log_config=None).get_loop_factory()
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(_run(module.create_worker(), config, internal))
    return 0


async def _run(plan: WorkerSettings, config: settings.Settings, internal: socket.socket) -> None:
    process = service.build(plan.service, config)
    app = webapp.internal_app(plan.service, (), config)
    app.state.service = process
    async with service.opened(process, plan.lifespan):
        stopping = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stopping.set)
        probes = server.build_server(app, config)
        answering = asyncio.create_task(probes.serve(sockets=[internal]))
        process.looked_at = time.monotonic()
        collector.settle()
        for loop in plan.loops:
            process.start(loop)
        taking = asyncio.create_task(_take_jobs(plan, process))
        _log.info("working", internal=internal.getsockname()[1])
        await stopping.wait()
        process.draining = True
        taking.cancel()
        await asyncio.wait([taking], timeout=GRACE_SECONDS)
        probes.should_exit = True
        await answering


async def _take_jobs(plan: WorkerSettings, process: Service) -> None:
    """Runs arq, and runs it again whenever Redis took it down."""
    while True:
        taker = _arq_worker(plan, process)
        try:
            await taker.async_run()
        except asyncio.CancelledError:
            await _let_finish(taker)
            raise
        except Exception as error:  # noqa: BLE001  # Redis may fail in any way; the sweeper works meanwhile
            _log.warning("queue-lost", error=repr(error))
        with contextlib.suppress(Exception):
            await taker.close()
        await asyncio.sleep(RESTART_SECONDS)


async def _let_finish(taker: arq.worker.Worker) -> None:
    """Gives jobs under way the grace period; what is cut off is due again when its lease ends."""
    pending = [task for task in taker.tasks.values() if not task.done()]
    if pending:
        await asyncio.wait(pending, timeout=GRACE_SECONDS - 2)


class _Taker(arq.worker.Worker):
    """arq's worker, which looks at its queue when a bell rings, and every second whether or not one does.

    It also tells that it looks: the process by `looked_at`, the others through Redis.
    """

    process: Service
    reported_at = 0.0

    async def _poll_iteration(self) -> None:
        await super()._poll_iteration()
        await bell.heard(self.pool, bell.key(self.process.name, jobs.RING), REST_SECONDS)

    async def heart_beat(self) -> None:
        """After each look at the queue."""
        now = self.process.looked_at = time.monotonic()
        if now - self.reported_at > jobs.REPORT_SECONDS:
            self.reported_at = now
            await jobs.report(self.pool, self.process.name, self.process.settings.instance)
        await super().heart_beat()


def _arq_worker(plan: WorkerSettings, process: Service) -> arq.worker.Worker:
    taker = _Taker(
        [arq.worker.func(_guarded(job, process), name=job.__name__) for job in plan.jobs],
        queue_name=jobs.queue_name(plan.service),
        redis_settings=jobs.redis_settings(process.settings.redis_url.get_secret_value()),
        handle_signals=False,
        max_jobs=MAX_JOBS,
        job_timeout=JOB_TIMEOUT,
        keep_result=0,
        poll_delay=0,
        max_tries=1,
        health_check_interval=HEALTH_INTERVAL,
        health_check_key=f"floyo:{plan.service}:health:{process.settings.instance}",
        job_serializer=jobs.serialize,
        job_deserializer=jobs.deserialize,
        expires_extra_ms=jobs.KEEP_MILLISECONDS,
        log_results=False,
    )
    taker.process = process
    return taker


def _guarded(job: Job, process: Service) -> Any:
    async def run(_context: dict[str, Any]) -> None:
        """Never raises to arq: what is due stays due in PostgreSQL."""
        tracing.start(None)
        outcome = "done"
        try:
            await job(process)
        except Exception as error:  # noqa: BLE001  # the sweeper finds the work again
            outcome = "failed"
            _log.warning("job-failed", job=job.__name__, error=repr(error))
        metrics.JOBS.labels(process.name, job.__name__, outcome).inc()

    return run


def main(arguments: list[str]) -> int:
    """`python -m shared.worker SERVICE`, with FLOYO_INTERNAL_PORT (9000)."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m shared.worker auth|events|workflows|integrations\n")
        return 2
    return work(arguments[0], server.bind(int(os.environ.get("FLOYO_INTERNAL_PORT", "9000"))))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
