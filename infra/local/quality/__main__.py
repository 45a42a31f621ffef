"""Measures mining quality: `task quality -- [--data DIR] [--seed N]`; the last line is one JSON object."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from infra.local.quality import made, recorded
from infra.local.quality.sources import Damage
from infra.local.quality.target import Target


def measured(folder: Path, seed: int, damage: Damage) -> Iterator[Target]:
    """Every row."""
    for row in made.ROWS:
        yield from row(seed)
    for kind in recorded.ROWS:
        yield from kind(folder, damage)


def main() -> int:
    """Prints each row and ends with the JSON line; the status is 0 if every target that could be measured is met."""
    parser = argparse.ArgumentParser(prog="task quality --", description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="files of the known kinds")
    parser.add_argument("--seed", type=int, default=0, help="of the made logs")
    given = parser.parse_args()
    damage, targets = Damage(), []
    if not given.data.is_dir():
        print(f"There is no folder {given.data}; only made logs are judged.")
    for target in measured(given.data, given.seed, damage):
        targets.append(target)
        print(target.line(), flush=True)
    for name, lines in sorted(damage.lines.items()):
        print(f"  {name}: {lines} damaged lines left out")
    ok = all(target.ok is not False for target in targets)
    shown = [
        {
            "name": one.name,
            "value": None if one.value is None else round(one.value, 4),
            "target": one.target,
            "ok": one.ok,
        }
        for one in targets
    ]
    answer = {"quality": "mining", "ok": ok, "targets": shown, "seed": given.seed, "left_out": dict(damage.lines)}
    print(json.dumps(answer, ensure_ascii=False))
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
