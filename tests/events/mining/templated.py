"""A seeded generator of first steps whose texts hold slots, and of the values that people make of them; written apart
from the inference that has to find them again."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from zlib import crc32

Slots = dict[str, str]

OWNERS = ("acme", "globex", "initech", "umbrella", "hooli", "stark")
WORDS = ("shop", "web-site", "billing", "app", "docs", "infra", "api", "mobile", "data_lake", "tools")
PEOPLE = ("ada", "björn", "chiara", "dmitri", "efua")
VERBS = ("Fix", "Add", "Remove", "Rename", "Speed up", "Describe", "Test")


def draw(chance: random.Random) -> Slots:
    """One event's values."""
    repo = f"{chance.choice(OWNERS)}/{chance.choice(WORDS)}"
    return {
        "number": str(chance.randint(1, 9_999)),
        "repo": repo,
        "person": chance.choice(PEOPLE),
        "title": f"{chance.choice(VERBS)} {chance.choice(WORDS)} {chance.randint(1, 99)}",
        "week": f"2026-W{chance.randint(1, 52):02}",
        "level": chance.choice(("low", "high")),
    }


SUBJECTS = (
    "PR #{number} of {repo}",
    "{repo}#{number}",
    "[{repo}] {title} (#{number})",
    "ticket-{number}",
    "exports/sales-{week}.csv",
    "https://ci.example/{repo}/builds/{number}",
    "{person} asked about order {number}",
    "Build {number} of {repo} is {level}",
    "{number}: {title}",
)
# Each kind of value with the slots that it needs.
VALUES: tuple[tuple[str, tuple[str, ...], Callable[[Slots], Any]], ...] = (
    ("constant", (), lambda _: "#team"),
    ("variable", ("number",), lambda slots: slots["number"]),
    ("variable", ("number",), lambda slots: int(slots["number"])),
    ("variable", ("repo",), lambda slots: slots["repo"]),
    ("variable", ("week",), lambda slots: slots["week"]),
    ("variable", ("person",), lambda slots: slots["person"]),
    ("text", ("number",), lambda slots: f"merge #{slots['number']} please"),
    ("text", ("number", "repo"), lambda slots: f"https://git.example/{slots['repo']}/pull/{slots['number']}"),
    ("text", ("week",), lambda slots: f"Figures of {slots['week']} are there"),
    ("text", ("person", "number"), lambda slots: f"@{slots['person']}: order {slots['number']} is on its way"),
    ("branch", ("level",), lambda slots: "#alarm" if slots["level"] == "high" else "#quiet"),
    ("unknown", (), lambda slots: f"{crc32(repr(slots).encode()):x}"),
)


@dataclass(frozen=True)
class Case:
    """Subjects of first events, what people made of each, and how the two belong together."""

    kind: str
    subject: str
    subjects: list[str]
    values: list[Any]
    later: list[tuple[str, Any]]


def cases(seed: int, runs: int = 14, later: int = 20, slips: float = 0.04) -> list[Case]:
    """Every value on every subject that has its slots; now and then somebody slips; `later` are events not yet seen."""
    chance = random.Random(seed)
    found = []
    for subject in SUBJECTS:
        for kind, needed, make in VALUES:
            if all("{" + name + "}" in subject for name in needed):
                drawn = [draw(chance) for _ in range(runs + later)]
                pairs = [(subject.format(**slots), make(slots)) for slots in drawn]
                wrong = [number for number in range(runs) if chance.random() < slips][:1]
                values = [f"slip {number}" if number in wrong else pairs[number][1] for number in range(runs)]
                found.append(Case(kind, subject, [text for text, _ in pairs[:runs]], values, pairs[runs:]))
    return found
