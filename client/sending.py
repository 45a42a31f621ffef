"""Sends what waits in the queue; what does not arrive stays there."""

from dataclasses import dataclass
from typing import Any

from client.api import Floyo
from client.problems import FloyoProblem
from client.queue import BATCH, Queue

_REFUSED = frozenset({400, 413, 422})


@dataclass
class Sent:
    """What became of events so far; the refused are not sent again."""

    accepted: int = 0
    duplicates: int = 0
    rejected: int = 0


def send(floyo: Floyo, queue: Queue, sent: Sent | None = None) -> Sent:
    """Empties the queue; raises FloyoProblem when nobody takes events now, and what is left waits on."""
    total = sent or Sent()
    size = BATCH
    while waiting := queue.next()[:size]:
        try:
            answer: dict[str, Any] = {**floyo.events.batch([event for _, event in waiting])}
        except FloyoProblem as problem:
            if problem.status not in _REFUSED:
                raise
            if len(waiting) > 1:
                size = 1  # one that nobody can take must not hold up the others
                continue
            answer = {"accepted": 0, "duplicates": 0, "rejected": [problem.detail]}
        total.accepted += answer["accepted"]
        total.duplicates += answer["duplicates"]
        total.rejected += len(answer["rejected"])
        queue.remove(number for number, _ in waiting)
    return total
