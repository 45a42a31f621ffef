"""Auth's speed: CPU of a token's verification, logins beside argon2id alone, and what a flood of logins does to others.

`python -m tests.bench.auth [--logins N]` starts a local stack of its own; it ends with one JSON line.
"""

import argparse
import asyncio
import json
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import aiohttp
from argon2 import PasswordHasher
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.auth.domain import signingkeys, tokens
from services.auth.domain.hashing_process import LANES, MEMORY_KIB, PASSES
from services.auth.domain.passwords import Passwords
from services.auth.settings import Settings
from shared import crypto, ids
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
CACHED_US, NEW_US, OF_ARGON2, TIMES_IDLE = 10, 130, 0.9, 2.0
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


async def measure_verification(count: int) -> dict[str, float]:
    """Microseconds of CPU: a token never seen, one seen before, and the signature's arithmetic alone."""
    key = Ed25519PrivateKey.generate()
    signing, settings = (
        signingkeys.SigningKey("bench", key),
        Settings.model_construct(public_url=ISSUER, access_seconds=300),
    )
    issued = [
        tokens.mint(settings, signing, tokens.Bearer(ids.new(), ids.new(), ids.new(), "member", platform_admin=False))
        for _ in range(count + 1)
    ]
    verifier = Verifier(OneKey(key), ISSUER)
    await verifier.verify(issued.pop())
    figures: dict[str, list[float]] = {"new_token_us": [], "cached_token_us": [], "ed25519_us": []}
    for part in (issued[start::5] for start in range(5)):
        for name in ("new_token_us", "cached_token_us"):
            began = time.process_time()
            for token in part:
                await verifier.verify(token)
            figures[name].append((time.process_time() - began) / len(part) * 1e6)
        figures["ed25519_us"].append(_measure_arithmetic(key, len(part)))
    return {name: round(statistics.median(found), 1) for name, found in figures.items()}


def _measure_arithmetic(key: Ed25519PrivateKey, count: int) -> float:
    text, public = b"x" * 400, key.public_key()
    signature = key.sign(text)
    began = time.process_time()
    for _ in range(count):
        public.verify(signature, text)
    return (time.process_time() - began) / count * 1e6


def measure_argon2(count: int) -> float:
    """Verifications a second of the argon2 library alone, in as many threads as auth has processes for it."""
    hasher = PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=LANES)
    stored = hasher.hash(LOGIN["password"])
    with ThreadPoolExecutor(HASHING) as threads:
        began = time.monotonic()
        list(threads.map(lambda _: hasher.verify(stored, LOGIN["password"]), range(count)))
        return count / (time.monotonic() - began)


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
        self._url = f"http://127.0.0.1:{stand.port}/api/v1"

    async def login(self) -> str:
        """One login; the access token."""
        async with self._http.post(f"{self._url}/auth/login", json=LOGIN) as answer:
            token: str = (await answer.json())["access_token"]
            return token

    async def measure_logins(self, count: int) -> dict[str, Any]:
        """Logins a second, eight at a time, and the seconds of CPU of a thousand by process."""
        load = self._logins()
        before = spending.of_stack(self._stand)
        rate = await load.each([BODY] * count, CONCURRENT)
        spent = spending.a_thousand(before, spending.of_stack(self._stand), count)
        return {"logins_per_second": round(rate, 1), "cpu_seconds_per_thousand": spent, "refused": load.failures}

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
        before = measure_argon2(logins // 2)
        figures = await crowd.measure_logins(logins)
        alone = (before + measure_argon2(logins // 2)) / 2
        hashing = await measure_hashing(logins // 2)
        idle = await crowd.measure_reads(token)
        flooded = await crowd.measure_reads_in_flood(token)
    rates = {"argon2_per_second": round(alone, 1), "hashing_per_second": round(hashing, 1)}
    return {**figures, **rates, "idle_p99_ms": round(idle, 2), **flooded}


async def measure(logins: int) -> dict[str, Any]:
    """Every figure, and whether it keeps its promise."""
    here = machine.measure()
    figures: dict[str, Any] = await measure_verification(5_000) | await measure_stack(logins)
    share = round(figures["logins_per_second"] / figures["argon2_per_second"], 3)
    times = round(figures["flooded_p99_ms"] / figures["idle_p99_ms"], 2)
    refused = figures["refused"] + figures["refused_meanwhile"]
    targets = [
        here.target("cached_token_us", figures["cached_token_us"], CACHED_US),
        here.target("new_token_us", figures["new_token_us"], NEW_US),
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
    parser.add_argument("--logins", type=int, default=1_000)
    figures = asyncio.run(measure(parser.parse_args(arguments).logins))
    print(json.dumps({"bench": "auth", **figures}))
    return 0 if figures["ok"] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
