"""A process that does nothing but argon2id: a question a line, an answer a line, until its input ends.

A question is `[hash or null, password]` in JSON; the answer is whether they fit, or a new hash. It is run by its path,
so that it imports what stands here alone: it takes 7 MiB, knows no setting, and holds up nobody but itself.
"""

import contextlib
import json
import os
import signal
import sys

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

MEMORY_KIB = 19 * 1_024
PASSES = 2
LANES = 1
NICENESS = 10

HASHER = PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=LANES)


def answer(stored: str | None, password: str) -> str | bool:
    """A new hash, or whether the password fits a stored one."""
    if stored is None:
        return HASHER.hash(password)
    try:
        return HASHER.verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False


def give_way() -> None:
    """Others go first, and who is to be answered while a flood of logins is on waits less.

    Not the idle class: where other work keeps every core busy, logins would not end.
    """
    with contextlib.suppress(OSError, AttributeError):  # where the kernel does not let it, all are equal
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    os.nice(NICENESS)


def main() -> None:
    """Answers until whoever asks is gone; signals are theirs to act on, for they may be waiting for an answer."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    give_way()
    with contextlib.suppress(BrokenPipeError):
        for line in sys.stdin.buffer:
            sys.stdout.buffer.write(json.dumps(answer(*json.loads(line))).encode() + b"\n")
            sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
