"""Auth's speed: CPU of a token's verification, logins beside argon2id alone, and what a flood of logins does to others.

`python -m tests.bench.auth [--logins N]` starts a local stack of its own; it ends with one JSON line.
"""

import argparse
import asyncio
import json
import statistics
import sys
import time
from collections import defaultdict
from typing import Any
from uuid import UUID

import aiohttp
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.auth.domain import signingkeys, tokens
from services.auth.domain.passwords import Passwords
from services.auth.settings import Settings
from shared import collector, crypto, ids
from shared.identity import Verifier
from tests.bench import machine, spending
from tests.bench.posting import Load
from tests.chaos.stand import Stand, open_stand

ISSUER = "http://127.0.0.1:8080"
HASHING = 2
CONCURRENT = 8
FLOOD = 32
READS_PER_SECOND = 50
SECONDS = 12.0
IDLE_SECONDS = 5.0
PARTS, ROUNDS = 25, 10
CACHED_US, NEW_US, OWN_US, OF_ARGON2, TIMES_IDLE = 10, 130, 20, 0.9, 2.0
LIMITS = '{"auth-address": 10000000}'
LOGIN = {"email": "chaos@example.com", "password": "a long chaotic password 7"}
BODY = json.dumps(LOGIN).encode()


class OneKey:
    """A source of identity with a single key."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._public = crypto.public_text(key)

    async def jwks(self) -> dict[str, Any]:
        """The key set."""
        return {"keys": [{"kid": "bench", "x": self._public}]}

    async def api_key(self, _digest: str) -> None:
        """No keys."""

    async def revocations(self, _after: int) -> dict[str, Any]:
        """An empty feed."""
        return {"items": [], "next": 0}

    async def note_use(self, _keys: set[UUID]) -> None:
        """Nothing to note."""


class Clocked:
    """A public key that adds up the seconds of CPU that its arithmetic takes."""

    def __init__(self, key: Any) -> None:
        self._key = key
        self.seconds = 0.0

    def verify(self, signature: bytes, signed: bytes) -> None:
        """As the key's own."""
        began = time.process_time()
        self._key.verify(signature, signed)
        self.seconds += time.process_time() - began


async def measure_verification(count: int) -> dict[str, float]:
    """Microseconds of CPU: a token never seen, one seen before, the signature alone, and all but the signature."""
    key = Ed25519PrivateKey.generate()
    signing, settings = (
        signingkeys.SigningKey("bench", key),
        Settings.model_construct(public_url=ISSUER, access_seconds=300),
    )
    issued = [
        tokens.mint(settings, signing, tokens.Bearer(ids.new(), ids.new(), ids.new(), "member", platform_admin=False))
        for _ in range(count + 1)
    ]
    verifier, clocked = Verifier(OneKey(key), ISSUER), Verifier(OneKey(key), ISSUER)
    for one in (verifier, clocked):
        await one.verify(issued[-1])
    clocked._keys["bench"] = inner = Clocked(key.public_key())
    collector.settle()
    figures = defaultdict(list)
    for part in (issued[start:-1:PARTS] for start in range(PARTS)):
        inner.seconds = 0.0
        all_of_it = await _verify(clocked, part)
        figures["own_us"].append(all_of_it - inner.seconds / len(part) * 1e6)
        for name in ("new_token_us", "cached_token_us"):
            figures[name].append(await _verify(verifier, part))
        figures["ed25519_us"].append(_measure_arithmetic(key, part))
    return {name: round(statistics.median(found), 1) for name, found in figures.items()}


async def _verify(verifier: Verifier, some: list[str]) -> float:
    """Microseconds of CPU for each of some tokens."""
    began = time.process_time()
    for token in some:
        await verifier.verify(token)
    return (time.process_time() - began) / len(some) * 1e6


def _measure_arithmetic(key: Ed25519PrivateKey, some: list[str]) -> float:
    public, pairs = key.public_key(), []
    for token in some:
        signed, _, signature = token.rpartition(".")
        pairs.append((crypto.decode64(signature), signed.encode()))
    began = time.process_time()
    for signature_bytes, text in pairs:
        public.verify(signature_bytes, text)
    return (time.process_time() - began) / len(some) * 1e6


async def measure_alone(count: int) -> dict[str, float]:
    """argon2id alone beside the stack: {per_second, cpu_ms}, in a process that gives way to others as auth's own do."""
    command = (sys.executable, "-m", "tests.bench.argon2_alone", str(HASHING), str(count))
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    told, _ = await process.communicate()
    return dict(json.loads(told))


async def measure_hashing(count: int) -> float:
    """Verifications a second of what auth hashes with, when nothing else is asked of it."""
    passwords = Passwords(HASHING, count)
    stored = await passwords.hash(LOGIN["password"])
    began = time.monotonic()
    await asyncio.gather(*(passwords.verify(stored, LOGIN["password"]) for _ in range(count)))
    elapsed = time.monotonic() - began
    await passwords.close()
    return count / elapsed


class Crowd:
    """Callers of one stack through its gateway."""

    def __init__(self, stand: Stand, http: aiohttp.ClientSession) -> None:
        self._stand, self._http = stand, http
        self.refused = 0
        self._url = f"http://127.0.0.1:{stand.port}/api/v1"

    async def login(self) -> str:
        """One login; the access token."""
        async with self._http.post(f"{self._url}/auth/login", json=LOGIN) as answer:
            token: str = (await answer.json())["access_token"]
            return token

    async def measure_logins(self, count: int) -> dict[str, Any]:
        """Logins a second beside argon2id alone, eight at a time, in rounds that alternate with it.

        Besides, the seconds of CPU of a thousand logins by process, and the share of argon2id alone in them without
        what the stack spends when nobody asks: a figure that other work on the machine leaves alone.
        """
        load, each = self._logins(), count // ROUNDS
        idle = await self._measure_idle()
        alone = [await measure_alone(each)]
        rates, shares, by_cpu, spent = [], [], [], []
        for _ in range(ROUNDS):
            before, began = spending.of_stack(self._stand), time.monotonic()
            rates.append(await load.each([BODY] * each, CONCURRENT))
            took = time.monotonic() - began
            spent.append(spending.a_thousand(before, spending.of_stack(self._stand), each))
            alone.append(await measure_alone(each))
            shares.append(2 * rates[-1] / (alone[-1]["per_second"] + alone[-2]["per_second"]))
            needed = spent[-1]["all"] - 1_000 * idle * took / each
            by_cpu.append((alone[-1]["cpu_ms"] + alone[-2]["cpu_ms"]) / 2 / needed)
            self.refused += load.failures
        return {
            "logins_per_second": round(statistics.median(rates), 1),
            "argon2_per_second": round(statistics.median(one["per_second"] for one in alone), 1),
            "logins_of_argon2": round(statistics.median(shares), 3),
            "logins_of_argon2_by_cpu": round(statistics.median(by_cpu), 3),
            "cpu_seconds_per_thousand": spending.medians(spent),
            "refused": self.refused,
        }

    async def _measure_idle(self) -> float:
        """Seconds of CPU a second of the stack when nobody asks."""
        before, began = spending.of_stack(self._stand), time.monotonic()
        await asyncio.sleep(IDLE_SECONDS)
        after = spending.of_stack(self._stand)
        return sum(after[name] - before.get(name, 0.0) for name in after) / (time.monotonic() - began)

    async def measure_reads(self, token: str) -> float:
        """99th percentile in milliseconds of a steady stream of reads of one's own account."""
        taken: list[float] = []
        began, gap = time.monotonic(), 1 / READS_PER_SECOND

        async def read(due: float) -> None:
            await asyncio.sleep(due - time.monotonic())
            started = time.monotonic()
            headers = {"Authorization": f"Bearer {token}"}
            async with self._http.get(f"{self._url}/users/me", headers=headers) as answer:
                await answer.read()
                if answer.status != 200:
                    raise RuntimeError(f"a read answered {answer.status}")
            taken.append((time.monotonic() - started) * 1e3)

        count = int(SECONDS * READS_PER_SECOND)
        await asyncio.gather(*(read(began + number * gap) for number in range(count)))
        return statistics.quantiles(taken, n=100)[98]

    async def measure_reads_in_flood(self, token: str) -> dict[str, Any]:
        """The same while logins keep every core busy, and how many logins there were."""
        load = self._logins()
        flood = asyncio.create_task(load.go(1 + SECONDS, lambda *_: BODY, FLOOD))
        await asyncio.sleep(1)
        slowest = await self.measure_reads(token)
        await flood
        count, refused = len(load.latencies), load.failures
        return {"flooded_p99_ms": round(slowest, 2), "logins_meanwhile": count, "refused_meanwhile": refused}

    def _logins(self) -> Load:
        return Load(self._stand.port, "/api/v1/auth/login", {})


async def measure_stack(logins: int) -> dict[str, Any]:
    """What needs a stack: one process of auth, which hashes in as many processes as argon2id alone had threads."""
    async with (
        open_stand(scale={"auth": 1}, sink_seconds=0, FLOYO_LIMITS=LIMITS) as stand,
        aiohttp.ClientSession() as http,
    ):
        crowd = Crowd(stand, http)
        token = await crowd.login()
        figures = await crowd.measure_logins(logins)
        hashing = await measure_hashing(logins // ROUNDS)
        idle = await crowd.measure_reads(token)
        flooded = await crowd.measure_reads_in_flood(token)
    return {**figures, "hashing_per_second": round(hashing, 1), "idle_p99_ms": round(idle, 2), **flooded}


async def measure(logins: int) -> dict[str, Any]:
    """Every figure, and whether it keeps its promise."""
    here = machine.measure()
    figures: dict[str, Any] = await measure_verification(5_000) | await measure_stack(logins)
    share = figures["logins_of_argon2"]
    times = round(figures["flooded_p99_ms"] / figures["idle_p99_ms"], 2)
    refused = figures["refused"] + figures["refused_meanwhile"]
    targets = [
        here.target("cached_token_us", figures["cached_token_us"], CACHED_US),
        here.target("new_token_us", figures["new_token_us"], NEW_US),
        here.target("own_us", figures["own_us"], OWN_US),
        _target("logins_of_argon2", share, OF_ARGON2, share >= OF_ARGON2),
        _target("flooded_p99_of_idle", times, TIMES_IDLE, times <= TIMES_IDLE),
        _target("logins_refused", refused, 0, refused == 0),
    ]
    return {"ok": all(target["ok"] for target in targets), "targets": targets, **here.figures(), **figures}


def _target(name: str, value: float, target: float, ok: bool) -> dict[str, Any]:
    return {"name": name, "value": value, "target": target, "ok": ok}


def main(arguments: list[str]) -> int:
    """Measures and prints; the exit status is 0 when every promise is kept."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.auth", description=__doc__)
    parser.add_argument("--logins", type=int, default=3_000, help="in ten rounds, whose beginnings and ends count too")
    figures = asyncio.run(measure(parser.parse_args(arguments).logins))
    print(json.dumps({"bench": "auth", **figures}))
    return 0 if figures["ok"] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
