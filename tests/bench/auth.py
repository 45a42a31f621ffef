"""Auth's speed: CPU of a token's verification, and logins beside argon2id alone; ends with one JSON line.

`python -m tests.bench.auth [--logins N]` starts a local stack of its own for the logins.
"""

import argparse
import asyncio
import json
import sys
import time
from typing import Any

import aiohttp
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.auth.domain import signingkeys, tokens
from services.auth.domain.passwords import Passwords
from services.auth.settings import Settings
from shared import crypto, ids
from shared.identity import Verifier
from tests.chaos.stand import open_stand

ISSUER = "http://127.0.0.1:8080"
THREADS = 2
CONCURRENT = 8
LOGIN = {"email": "chaos@example.com", "password": "a long chaotic password 7"}


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


async def measure_verification(count: int) -> dict[str, float]:
    """Microseconds of CPU for a token never seen and for one seen before."""
    key = Ed25519PrivateKey.generate()
    signing, settings = (
        signingkeys.SigningKey("bench", key),
        Settings.model_construct(public_url=ISSUER, access_seconds=300),
    )
    issued = [
        tokens.mint(settings, signing, tokens.Bearer(ids.new(), ids.new(), ids.new(), "member", platform_admin=False))
        for _ in range(count)
    ]
    verifier = Verifier(OneKey(key), ISSUER)
    await verifier.verify(issued[0])
    figures = {}
    for name in ("new_token_us", "cached_token_us"):
        began = time.process_time()
        for token in issued[1:]:
            await verifier.verify(token)
        figures[name] = round((time.process_time() - began) / (count - 1) * 1e6, 1)
    return figures


async def measure_argon2(count: int) -> float:
    """Verifications a second of argon2id alone, in as many threads as a process of auth uses."""
    passwords = Passwords(THREADS, count)
    stored = await passwords.hash(LOGIN["password"])
    began = time.monotonic()
    await asyncio.gather(*(passwords.verify(stored, LOGIN["password"]) for _ in range(count)))
    elapsed = time.monotonic() - began
    passwords.close()
    return count / elapsed


async def measure_logins(count: int) -> float:
    """Logins a second through the gateway, one process of auth."""
    async with open_stand(scale={"auth": 1}, sink_seconds=0) as stand:
        gate = asyncio.Semaphore(CONCURRENT)

        async def login(http: aiohttp.ClientSession) -> None:
            async with gate, http.post(f"http://127.0.0.1:{stand.port}/api/v1/auth/login", json=LOGIN) as answer:
                if answer.status != 200:
                    raise RuntimeError(f"login answered {answer.status}: {await answer.text()}")

        async with aiohttp.ClientSession() as http:
            await login(http)
            began = time.monotonic()
            await asyncio.gather(*(login(http) for _ in range(count)))
            return count / (time.monotonic() - began)


async def measure(logins: int) -> dict[str, Any]:
    """Every figure, and whether it keeps its promise."""
    figures: dict[str, Any] = await measure_verification(5_000)
    alone = await measure_argon2(logins)
    through = await measure_logins(logins)
    figures |= {"argon2_per_second": round(alone, 1), "logins_per_second": round(through, 1)}
    figures["logins_of_argon2"] = round(through / alone, 3)
    figures["ok"] = (
        figures["cached_token_us"] <= 10 and figures["new_token_us"] <= 130 and figures["logins_of_argon2"] >= 0.9
    )
    return figures


def main(arguments: list[str]) -> int:
    """Measures and prints; the exit status is 0 when every promise is kept."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.auth", description=__doc__)
    parser.add_argument("--logins", type=int, default=200)
    figures = asyncio.run(measure(parser.parse_args(arguments).logins))
    print(json.dumps({"bench": "auth", **figures}))
    return 0 if figures["ok"] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
