"""One API process: the public and the internal application in one loop, drained before they close."""

import asyncio
import contextlib
import importlib
import os
import signal
import socket
import sys
from collections.abc import Iterator
from typing import Any

import uvicorn

from shared import collector, log, service, settings
from shared.protocol import Protocol, Proxied
from shared.service import Service
from shared.testing import faults

KEEP_ALIVE = 120
GRACE_SECONDS = 25
TICK_SECONDS = 1.0
MAX_FRAME = 1_048_576

_log = log.get(__name__)


class _Server(uvicorn.Server):
    """A server that leaves signals to the process, and looks at the clock once a second instead of ten times."""

    def __init__(self, config: uvicorn.Config) -> None:
        self._ending = asyncio.Event()
        super().__init__(config)

    @property
    def should_exit(self) -> bool:
        """Whether it is to end, which it does at once."""
        return self._ending.is_set()

    @should_exit.setter
    def should_exit(self, ending: bool) -> None:
        if ending:
            self._ending.set()

    async def main_loop(self) -> None:
        """Until it is to end."""
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), TICK_SECONDS)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Nothing to capture."""
        yield


def serve(name: str, public: socket.socket, internal: socket.socket) -> int:
    """Answers on two bound sockets until SIGTERM; returns the exit status (2 when the settings refuse)."""
    try:
        faults.check()
        config = settings.load(settings_class(name))
    except (faults.FaultsRefused, settings.SettingsError) as error:
        sys.stderr.write(f"{name} refuses to start:\n{error}\n")
        return 2
    log.configure(name, config.instance)
    module = importlib.import_module(f"services.{name}.app")
    uvicorn_loop = uvicorn.Config(app=module.create_app, log_config=None).get_loop_factory()
    with asyncio.Runner(loop_factory=uvicorn_loop) as runner:
        runner.run(_run(name, module, config, public, internal))
    return 0


def settings_class(name: str) -> type[settings.Settings]:
    """The class `Settings` of a service's settings module."""
    found: type[settings.Settings] = importlib.import_module(f"services.{name}.settings").Settings
    return found


async def _run(
    name: str, module: Any, config: settings.Settings, public: socket.socket, internal: socket.socket
) -> None:
    process = service.build(name, config)
    apps = [module.create_app(config), module.create_internal_app(config)]
    for app in apps:
        app.state.service = process
    async with service.opened(process, apps[0].state.lifespan):
        await process.database.warm()
        process.start(follow_revocations)
        process.start(count_instances)
        process.components["limiter"] = process.gate.limiter.describe
        servers = [build_server(app, config) for app in apps]
        collector.settle()
        stopping = _watch_signals()
        tasks = [
            asyncio.create_task(server.serve(sockets=[bound]))
            for server, bound in zip(servers, (public, internal), strict=True)
        ]
        _log.info("serving", public=public.getsockname()[1], internal=internal.getsockname()[1])
        await asyncio.wait([asyncio.create_task(stopping.wait()), *tasks], return_when=asyncio.FIRST_COMPLETED)
        await _drain(process)
        for server in servers:
            server.should_exit = True
        await asyncio.gather(*tasks)


async def follow_revocations(process: Service) -> None:
    """Keeps cached identities no more than a few seconds behind auth."""
    await process.verifier.follow()


async def count_instances(process: Service) -> None:
    """Keeps the limiter's count of the processes that share its limits."""
    await process.gate.limiter.beat()


async def _drain(process: Service) -> None:
    """Readiness fails first, so that the gateway sends nobody here when the listener closes."""
    process.draining = True
    _log.info("draining")
    if not faults.active("no-drain"):
        await asyncio.sleep(process.settings.drain_seconds)


def _watch_signals() -> asyncio.Event:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    return stopping


def build_server(app: Any, config: settings.Settings) -> uvicorn.Server:
    """A server for one application, with the settings that Traefik in front needs."""
    return _Server(
        uvicorn.Config(
            Proxied(app, config.forwarded_allow_ips),
            interface="asgi3",
            proxy_headers=False,
            http=Protocol,
            ws=getattr(app.state, "socket_protocol", "auto"),
            lifespan="off",
            log_config=None,
            log_level="warning",  # below it stand the addresses of sockets, and what was sent in their queries
            access_log=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE,
            timeout_graceful_shutdown=GRACE_SECONDS,
            ws_max_size=MAX_FRAME,
            ws_per_message_deflate=False,
        )
    )


def bind(port: int) -> socket.socket:
    """A listening address of this process, on FLOYO_BIND (127.0.0.1)."""
    address = os.environ.get("FLOYO_BIND", "127.0.0.1")
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind((address, port))
    return bound


def main(arguments: list[str]) -> int:
    """`python -m shared.server SERVICE`, with FLOYO_PUBLIC_PORT (8000) and FLOYO_INTERNAL_PORT (9000)."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m shared.server auth|events|workflows|integrations\n")
        return 2
    ports = (int(os.environ.get("FLOYO_PUBLIC_PORT", "8000")), int(os.environ.get("FLOYO_INTERNAL_PORT", "9000")))
    return serve(arguments[0], bind(ports[0]), bind(ports[1]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
