"""`python -m tests.chaos [NAME…] [--short] [--seed N]`: breaks a real local stack and reconciles what it promised.

Each scenario is a module of this package with `run` and `control`, whose first line names its promise (`A7,
global-limit: …`). Without a name all of them go in the order of the promises, but those marked `ONLY_BY_NAME`;
`--short` takes the short forms of those that have one, with their controls beside them. Each prints one JSON line, a
table follows, and the exit status is 0 when every promise held and every negative control failed as it must.
"""

import argparse
import asyncio
import json
import os
import random
import signal
import sys
import time
import traceback
from typing import Any

from tests.chaos import catalogue
from tests.chaos.catalogue import Scenario
from tests.chaos.options import Options

SHORT_DRAIN_SECONDS = "0.2"


def main(arguments: list[str]) -> int:
    """Run the scenarios, each with its control; returns the exit status."""
    given = _parser().parse_args(arguments)
    # asyncio ends the scenario in good order on SIGINT, and so takes its stack down; SIGTERM does the same.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    found = catalogue.scenarios()
    unknown = [name for name in given.names if name not in found]
    if unknown:
        print(f"unknown: {', '.join(unknown)}; there are {', '.join(found)}", file=sys.stderr)
        return 2
    chosen = [found[name] for name in given.names] or [one for one in found.values() if one.belongs(short=given.short)]
    if given.short:  # none of them is about the end of a process in good order
        os.environ.setdefault("FLOYO_DRAIN_SECONDS", SHORT_DRAIN_SECONDS)
    reports = [_attempt(scenario, given) for scenario in chosen]
    print(_table(reports), flush=True)
    return 0 if all(_is_good(report, given) for report in reports) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--short", action="store_true", help="the forms for CI, under a minute each")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 31))
    parser.add_argument("--minutes", type=float, default=30.0, help="how long soak loads the stack (30)")
    parser.add_argument("--no-control", action="store_true", help="skip the negative control")
    parser.add_argument("--retries", type=int, default=0, help="how often a promise that broke may be asked again (0)")
    return parser


def _attempt(scenario: Scenario, given: argparse.Namespace) -> dict[str, Any]:
    """The last report; each try has its own line and its own seed, so that none is hidden."""
    report = _perform(scenario, given, given.seed)
    for number in range(given.retries):
        if _is_good(report, given):
            break
        report = _perform(scenario, given, given.seed + number + 1) | {"retried": number + 1}
    return report


def _perform(scenario: Scenario, given: argparse.Namespace, seed: int) -> dict[str, Any]:
    report: dict[str, Any] = {
        "chaos": scenario.name, "promise": scenario.promise, "ok": False, "control_failed": False, "seed": seed,
    }  # fmt: skip
    began = time.monotonic()
    try:
        figures, control = asyncio.run(_observe(scenario, given, seed))
        report |= {**figures, "ok": not figures["faults"]}
        if control is not None:
            report |= {"control_failed": bool(control["faults"]), "control_faults": control["faults"][:3]}
    except Exception:  # noqa: BLE001 - the last line tells, whatever happened
        report |= {"ok": False, "crashed": traceback.format_exc()[-2_000:]}
    report["seconds"] = round(time.monotonic() - began, 1)
    print(json.dumps(report), flush=True)
    return report


async def _observe(
    scenario: Scenario, given: argparse.Namespace, seed: int
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """What the scenario and its control found: one after the other, in the short form both at once."""
    chosen = [scenario.module.run] if given.no_control else [scenario.module.run, scenario.module.control]
    begun = (act(Options(seed=seed, short=given.short, minutes=given.minutes)) for act in chosen)
    found = await asyncio.gather(*begun) if given.short else [await act for act in begun]
    return found[0], found[1] if len(found) > 1 else None


def _is_good(report: dict[str, Any], given: argparse.Namespace) -> bool:
    return bool(report["ok"] and (report["control_failed"] or given.no_control))


def _table(reports: list[dict[str, Any]]) -> str:
    head = f"{'promise':<9}{'name':<18}{'ok':<7}{'control failed':<16}{'seconds':>8}{'seed':>12}"
    rows = (
        f"{report['promise']:<9}{report['chaos']:<18}{report['ok']!s:<7}{report['control_failed']!s:<16}"
        f"{report['seconds']:>8}{report['seed']:>12}"
        for report in reports
    )
    return "\n".join([head, *rows])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
