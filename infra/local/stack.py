"""The whole stack: which processes there are, how they start and stop, and what the others are told of them."""

import asyncio
import json
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from infra.local import discovery, environment, gateway, ports, postgres, valkey
from infra.local.home import Home, write_whole
from infra.local.instances import Plan, greeting_probe, http_probe, open_log
from infra.local.ports import Reservation, reserve
from infra.local.processes import Children, Forks, Handle
from infra.local.program import Program
from infra.local.readiness import Readiness, is_hopeless, tail
from infra.local.supervised import Supervised

MAX_INSTANCES = 32


class Refused(Exception):
    """The stack cannot do this, and the sentence says why and what helps."""


class Stack:
    """Everything between `up` and `down`; runs in one event loop without threads."""

    def __init__(self, home: Home, port: int, say: Callable[[str], None]) -> None:
        self.home = home
        self.port = port
        self.processes: dict[str, Supervised] = {}
        self._say = say
        self._reservations: dict[str, list[Reservation]] = {}
        self._services = discovery.owners()
        self._readiness = Readiness(home.logs, port, say)
        self._told: dict[str, dict[str, list[int]]] = {}
        self._listing = 0

    async def start(self, counts: Mapping[str, int]) -> list[str]:
        """Start everything; answers what went wrong, one sentence a process, empty when all is ready."""
        if ports.free(self.port) != self.port:
            raise Refused(
                f"Port {self.port} on 127.0.0.1 is taken by another program, and the gateway needs it. "
                f"Choose another one: FLOYO_PORT={self.port + 1} ./taskw up"
            )
        self._children = Children()
        self._forks = self._new_forks()
        await self._start_servers()
        if failed := await self._readiness.reach(list(self.processes.values())):
            raise Refused(" ".join(failed))
        self._say("PostgreSQL, Valkey and the gateway are up")
        problems = await self._migrate()
        self._start_mail()
        for name in discovery.process_names():
            if self._service(name) not in problems:
                self._add(name, counts.get(name, 1))
        return [*problems.values(), *await self._until_ready(list(self.processes.values()))]

    async def stop(self) -> None:
        """Stop everything, the gateway's listing first and the database last."""
        served = [process for process in self.processes.values() if process.instance not in _SERVERS]
        await asyncio.gather(*(process.stop() for process in served))
        servers = [self.processes[name] for name in ("traefik", "valkey") if name in self.processes]
        await asyncio.gather(*(server.stop(10) for server in servers))
        if hasattr(self, "_forks"):
            self._forks.close()
            await asyncio.wait([self._forks.server.ended], timeout=5)
        if "postgres" in self.processes:
            await self.processes["postgres"].stop()

    async def scale(self, counts: Mapping[str, int]) -> list[str]:
        """Have as many instances of each name; answers what went wrong, as `start` does."""
        for name, count in counts.items():
            if name not in discovery.process_names() or not 0 <= count <= MAX_INSTANCES:
                known = ", ".join(discovery.process_names())
                raise Refused(f"Cannot have {count} of {name}. What can be scaled, up to {MAX_INSTANCES}: {known}")
        surplus = [process for name, count in counts.items() for process in self._instances(name)[count:]]
        for name, count in counts.items():
            self._add(name, count)
        failed = await self._until_ready([p for name in counts for p in self._instances(name)[: counts[name]]])
        await asyncio.gather(*(self._remove(process) for process in surplus))
        self._remember()
        return failed

    async def restart(self, names: list[str]) -> list[str]:
        """Restart instances one after the other, or all of a name; changed code is read anew."""
        failed = []
        chosen = self._chosen(names)
        self._renew()
        for process in chosen:
            await process.restart()
            failed += await self._until_ready([process])
        return failed

    async def hold(self, names: list[str]) -> list[str]:
        """Stop processes and leave them stopped, as an outage does."""
        await asyncio.gather(*(process.stop() for process in self._chosen(names)))
        return []

    async def release(self, names: list[str]) -> list[str]:
        """Start stopped processes again; answers what went wrong, as `start` does."""
        chosen = self._chosen(names)
        for process in chosen:
            if process.state == "stopped":
                process.begin()
        return await self._until_ready(chosen)

    def _chosen(self, names: list[str]) -> list[Supervised]:
        """Processes by instance or by name."""
        found = [process for process in self.processes.values() if {process.instance, process.name} & set(names)]
        if not found:
            raise Refused(f"There is no {' or '.join(names)}. There are: {', '.join(self.processes)}")
        return found

    def _renew(self) -> None:
        """Have a fork server that knows the present code; those of the old one live on until they are restarted."""
        if discovery.newest_change() > self._forks.born:
            self._say("the code has changed, reading it anew")
            self._forks.retire()
            self._forks = self._new_forks()

    def _new_forks(self) -> Forks:
        return Forks(self._children, open_log(self.home.logs / "forkserver.log"))

    def complaints(self) -> list[str]:
        """A sentence for each process that keeps failing at present."""
        return [self._readiness.diagnose(process) for process in self.processes.values() if is_hopeless(process)]

    def describe(self) -> dict[str, Any]:
        """What `status --json` prints."""
        return {
            "gateway": f"http://127.0.0.1:{self.port}",
            "processes": [process.describe() for process in self.processes.values()],
            "mail": str(self.home.mail),
            "home": str(self.home.folder),
        }

    async def _start_servers(self) -> None:
        """The three servers that come from binaries; PostgreSQL last, because making its data takes longest."""
        remembered = self.home.remembered_ports()
        held = {"traefik": Reservation(self.port)}  # before the system picks the other ports, or it might pick this one
        held |= {name: reserve(remembered.get(name)) for name in ("postgres", "valkey", "mail")}
        self._held = held
        static = gateway.prepare(self.home, self.port, self._services)
        self._supervise("traefik", static, http_probe(self.port, "/health"), self.port)
        passwords = environment.redis_passwords(self.home.secrets, self._services)
        cache = valkey.prepare(self.home.folder / "valkey", held["valkey"].port, passwords)
        self._supervise("valkey", cache.program(), greeting_probe(cache.port, b"-", b"PING\r\n"), cache.port)
        await asyncio.sleep(0)  # both begin before initdb has us wait
        for folder in postgres.open_path(self.home.folder):
            self._say(f"other users may now pass through {folder} (not list it): PostgreSQL refuses to run as root")
        database = postgres.prepare(self.home.folder / "postgres", held["postgres"].port, self.home.secrets)
        self._supervise("postgres", database.program(), self._is_database_ready, database.port)
        self._environment = environment.Environment(
            self.home.secrets, self._services, database, cache, f"http://127.0.0.1:{self.port}",
            f"smtp://127.0.0.1:{self._held['mail'].port}", self.home.siblings,
        )  # fmt: skip

    async def _is_database_ready(self) -> bool:
        handle = self.processes["postgres"].handle
        return handle is not None and self._environment.postgres.ready(handle.pid)

    def _supervise(self, name: str, program: Program, ready: Any, port: int) -> None:
        async def launch() -> Handle:
            output = open_log(self.home.logs / f"{name}.log")
            try:
                return self._children.start(program, output)
            finally:
                os.close(output)

        process = Supervised(name, name, launch, ready, self._tell, internal_port=port)
        if name == "traefik":
            process.public_port, process.internal_port = port, None
        self.processes[name] = process
        process.begin()

    def _start_mail(self) -> None:
        arguments = [str(self.home.mail)]
        log = self.home.logs / "mail.log"
        plan = Plan("mail", "infra.local.mail:serve", arguments, dict, log, [self._held["mail"]])
        self._fork("mail", plan, greeting_probe(self._held["mail"].port, b"220"), None, self._held["mail"].port)

    def _add(self, name: str, count: int) -> None:
        """Start instances of `name` until there are `count`, filling gaps in their numbers."""
        missing = count - len(self._instances(name))
        numbers = (number for number in range(1, MAX_INSTANCES + 1) if f"{name}-{number}" not in self.processes)
        for _, number in zip(range(missing), numbers, strict=False):
            self._add_instance(name, f"{name}-{number}")

    def _add_instance(self, name: str, instance: str) -> None:
        service, worker = self._service(name), name.endswith(discovery.WORKER)
        reservations = self._reservations[instance] = [Reservation() for _ in range(1 if worker else 2)]
        plan = Plan(
            instance, "shared.worker:work" if worker else "shared.server:serve", [service],
            partial(self._environment.of, service, instance, worker=worker), self.home.logs / f"{instance}.log",
            reservations, stage=service,
        )  # fmt: skip
        public, internal = (None if worker else reservations[0].port), reservations[-1].port
        self._fork(name, plan, http_probe(public or internal, "/health/readiness"), public, internal)

    def _fork(self, name: str, plan: Plan, ready: Any, public: int | None, internal: int) -> None:
        async def launch() -> Handle:
            if self._forks.lost:
                self._forks = self._new_forks()
            return await plan.launch(self._forks)

        process = Supervised(name, plan.instance, launch, ready, self._tell, public, internal)
        self.processes[plan.instance] = process
        process.begin()

    async def _remove(self, process: Supervised) -> None:
        await process.stop()
        del self.processes[process.instance]
        for reservation in self._reservations.pop(process.instance):
            reservation.close()

    async def _migrate(self) -> dict[str, str]:
        """Databases, roles and migrations; answers a sentence for each service whose migration failed."""
        database = self._environment.postgres
        passwords = environment.role_passwords(self.home.secrets, self._services)
        if await self._run("bootstrap", database.dsn(), passwords):
            raise Refused(f"The databases cannot be made: {tail(self.home.logs / 'migrate.log')}")
        names = [name for name in discovery.owners() if (discovery.migrations(name)).is_dir()]
        urls = [self._environment.database_url(name, "owner") for name in names]
        results = await asyncio.gather(*(self._run("upgrade", *pair) for pair in zip(names, urls, strict=True)))
        self._say("databases are migrated")
        log = self.home.logs / "migrate.log"
        return {name: f"{name} is not started, its migration failed ({log}): {tail(log, name)}"
                for name, status in zip(names, results, strict=True) if status}  # fmt: skip

    async def _run(self, function: str, *arguments: Any) -> int:
        log = self.home.logs / "migrate.log"
        plan = Plan("migrate", f"infra.local.migrations:{function}", arguments, dict, log, [])
        return await (await plan.launch(self._forks)).ended

    async def _until_ready(self, processes: Sequence[Supervised]) -> list[str]:
        """Wait for processes and for the gateway to know each of them; answers a sentence for each that fails."""
        failed = await self._readiness.reach(processes)
        listed = [name for name in self._services if any(p.listed for p in self._instances(name))]
        return [*failed, *await self._readiness.route(listed, lambda: self._listing)]

    def _tell(self) -> None:
        """Write down which instances are ready, for the gateway and for siblings, when that has changed."""
        listed = [p for p in self.processes.values() if p.listed and p.name in self._services]
        public = {name: [p.public_port for p in listed if p.name == name and p.public_port] for name in self._services}
        internal = {name: [p.internal_port for p in listed if p.name == name and p.internal_port] for name in public}
        if self._told != {"public": public, "internal": internal}:
            self._told = {"public": public, "internal": internal}
            self._listing += 1
            gateway.list_servers(self.home, public, self._listing)
            gateway.list_siblings(self.home, internal)
            self._remember()

    def _remember(self) -> None:
        ports_of = {p.instance: {"public": p.public_port, "internal": p.internal_port} for p in self.processes.values()}
        found: dict[str, Any] = {"gateway": self.port, "instances": ports_of}
        for name in ("postgres", "valkey", "mail"):
            if name in self.processes:
                found[name] = self.processes[name].internal_port
        write_whole(self.home.ports, json.dumps(found, indent=1))

    def _instances(self, name: str) -> list[Supervised]:
        return [process for process in self.processes.values() if process.name == name]

    @staticmethod
    def _service(name: str) -> str:
        return name.removesuffix(discovery.WORKER)


_SERVERS = frozenset({"traefik", "valkey", "postgres"})
