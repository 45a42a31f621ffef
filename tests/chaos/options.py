"""What every scenario is told."""

import random
from dataclasses import dataclass
from functools import cached_property

from infra.local import discovery

# Short forms run beside whatever else the machine does: what is counted holds as exactly, what is timed less so.
SHORT_PATIENCE = 8.0


@dataclass
class Options:
    """The seed that everything random follows, whether the short form is wanted, and how long a soak takes."""

    seed: int
    short: bool
    minutes: float = 30.0

    def __post_init__(self) -> None:
        print(f"seed {self.seed}", flush=True)

    def within(self, bound: float) -> float:
        """A bound of time, in the unit it came in, as the form that runs is held to it."""
        return bound * SHORT_PATIENCE if self.short else bound

    def scale(self, *single: str, **counts: int) -> dict[str, int]:
        """How many of each process a stack has: the rest once each, in the short form not at all."""
        named = {name.replace("_", "-"): count for name, count in counts.items()}
        if not self.short:
            return named
        return {**dict.fromkeys(discovery.process_names(), 0), **dict.fromkeys(single, 1), **named}

    @cached_property
    def random(self) -> random.Random:
        """The one source of chance."""
        return random.Random(self.seed)
