"""What every scenario is told."""

import random
from dataclasses import dataclass
from functools import cached_property


@dataclass
class Options:
    """The seed that everything random follows, whether the short form is wanted, and how long a soak takes."""

    seed: int
    short: bool
    minutes: float = 30.0

    def __post_init__(self) -> None:
        print(f"seed {self.seed}", flush=True)

    @cached_property
    def random(self) -> random.Random:
        """The one source of chance."""
        return random.Random(self.seed)
