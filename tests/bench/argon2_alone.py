"""argon2id alone: what the library verifies in some threads, for the bench of auth to compare its logins with.

`python -m tests.bench.argon2_alone THREADS COUNT` prints {"per_second": …, "cpu_ms": …}. It gives way as auth's own
processes do, or other work on the machine would take from the logins alone.
"""

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher

from services.auth.domain.hashing_process import LANES, MEMORY_KIB, PASSES, give_way

PASSWORD = "a long chaotic password 7"


def measure(threads: int, count: int) -> dict[str, float]:
    """Verifications a second, and the milliseconds of CPU of one."""
    hasher = PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=LANES)
    stored = hasher.hash(PASSWORD)
    with ThreadPoolExecutor(threads) as pool:
        began, spent = time.monotonic(), time.process_time()
        list(pool.map(lambda _: hasher.verify(stored, PASSWORD), range(count)))
        elapsed = time.monotonic() - began
        return {"per_second": count / elapsed, "cpu_ms": (time.process_time() - spent) / count * 1e3}


if __name__ == "__main__":
    give_way()
    print(json.dumps(measure(*map(int, sys.argv[1:]))))
