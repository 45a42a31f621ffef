"""One figure against its target."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """At least the target, unless `most` says at most; the value is None where the data for it is missing."""

    name: str
    value: float | None
    target: float
    most: bool = False

    @property
    def ok(self) -> bool | None:
        """Whether the target is met; None where it could not be measured."""
        if self.value is None:
            return None
        return self.value <= self.target if self.most else self.value >= self.target

    def line(self) -> str:
        """For people."""
        sign = "≤" if self.most else "≥"
        mark = {True: "ok  ", False: "FAIL", None: "none"}[self.ok]
        value = "no data" if self.value is None else f"{self.value:.3f}"
        return f"{mark} {self.name}: {value} ({sign} {self.target})"
