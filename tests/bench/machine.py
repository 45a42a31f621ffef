"""How slow this machine is beside the one that targets of time were set on, by two figures of arithmetic alone.

Ratios, memory and counts hold on any machine; only times are stretched, and never shortened.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from argon2 import PasswordHasher
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

VERIFICATION_US, HASH_MS = 110.0, 21.7
BATCHES = 9


@dataclass(frozen=True)
class Machine:
    """Microseconds of an Ed25519 verification and milliseconds of an argon2id hash (19 MiB, 2 passes), of one core."""

    verification_us: float
    hash_ms: float

    @property
    def factor(self) -> float:
        """How many times as long as there the same work takes; at least 1."""
        return max(1.0, statistics.geometric_mean((self.verification_us / VERIFICATION_US, self.hash_ms / HASH_MS)))

    def figures(self) -> dict[str, Any]:
        """For the JSON line."""
        arithmetic = {"ed25519_us": round(self.verification_us, 1), "argon2id_ms": round(self.hash_ms, 2)}
        return {"machine": round(self.factor, 3), "machine_measured": arithmetic}

    def target(self, name: str, value: float, reference: float) -> dict[str, Any]:
        """A line that asks for at most `reference` on the machine of reference, and here for as much longer as it is
        slower; `within_reference` says whether it needed that."""
        most = round(reference * self.factor, 3)
        return {
            "name": name, "value": value, "target": most, "reference": reference,
            "within_reference": value <= reference, "ok": value <= most,
        }  # fmt: skip


def measure() -> Machine:
    """Some two seconds of one core, before anything else is asked of it."""
    key = Ed25519PrivateKey.generate()
    text, public = b"x" * 400, key.public_key()
    verify = partial(public.verify, key.sign(text), text)
    hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
    hashing = partial(hasher.hash, "a long and boring password")
    return Machine(_spent(verify, 500) * 1e6, _spent(hashing, 3) * 1e3)


def _spent(work: Callable[[], object], times: int) -> float:
    """Seconds of CPU of one call: the median of batches."""
    found = []
    for _ in range(BATCHES):
        began = time.process_time()
        for _ in range(times):
            work()
        found.append((time.process_time() - began) / times)
    return statistics.median(found)
