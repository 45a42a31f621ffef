"""Waits until processes are ready and routed, and says in one sentence why one is not."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

from infra.local import gateway
from infra.local.instances import http_probe, routed_probe
from infra.local.supervised import Supervised

READY_SECONDS = 60.0
ROUTED_SECONDS = 30.0
HOPELESS_FAILURES = 4


class Readiness:
    """Watches processes on behalf of the stack."""

    def __init__(self, logs: Path, gateway_port: int, say: Callable[[str], None]) -> None:
        self._logs = logs
        self._gateway = gateway_port
        self._say = say
        self._announced: set[str] = set()

    async def reach(self, processes: Sequence[Supervised]) -> list[str]:
        """Wait for processes; answers a sentence for each that does not get ready."""
        deadline = _now() + READY_SECONDS
        waiting = list(processes)
        while _now() < deadline and any(not _is_decided(process) for process in waiting):
            waiting = [process for process in waiting if not self._announce(process)]
            await asyncio.sleep(0.02)
        return [self.diagnose(process) for process in waiting if not self._announce(process)]

    async def route(self, services: Sequence[str], listing: Callable[[], int]) -> list[str]:
        """Wait until the gateway goes by the newest listing of servers, and sends requests to each of these services.

        Whoever stops an instance after that finds the others known. Answers a sentence for each that it does not reach.
        """
        probes = {name: routed_probe(self._gateway, f"/api/v1/openapi/{name}.json") for name in services}
        deadline = _now() + ROUTED_SECONDS
        while probes and _now() < deadline:
            if await http_probe(self._gateway, gateway.listing_path(listing()))():
                reached = await asyncio.gather(*(probe() for probe in probes.values()))
                missed = [name for name, routed in zip(probes, reached, strict=True) if not routed]
                probes = {name: probes[name] for name in missed}
            await asyncio.sleep(0.03 if probes else 0)
        log = self._logs / "traefik.log"
        return [f"{name} is ready, but the gateway does not reach it ({log}): {tail(log, name)}" for name in probes]

    def diagnose(self, process: Supervised) -> str:
        """Why a process is not ready, as far as its log tells."""
        log = self._logs / f"{process.instance}.log"
        return f"{process.instance} does not get ready (last exit status {process.last_status}, {log}): {tail(log)}"

    def _announce(self, process: Supervised) -> bool:
        """Whether it is ready; said once."""
        if process.state == "ready" and process.instance not in self._announced:
            self._announced.add(process.instance)
            self._say(f"{process.instance} is ready")
        return process.state == "ready"


def is_hopeless(process: Supervised) -> bool:
    """Whether it has ended so often that waiting makes no sense."""
    return process.state != "ready" and process.failures >= HOPELESS_FAILURES


def tail(log: Path, containing: str = "", lines: int = 3) -> str:
    """The last words of a log."""
    try:
        found = [line for line in log.read_text(errors="replace").splitlines() if line.strip() and containing in line]
    except OSError:
        return "(no log)"
    return " | ".join(line.strip()[:400] for line in found[-lines:]) or "(the log is empty)"


def _is_decided(process: Supervised) -> bool:
    return process.state == "ready" or is_hopeless(process)


def _now() -> float:
    return asyncio.get_running_loop().time()
