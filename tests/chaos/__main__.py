"""`python -m tests.chaos [NAME…] [--short] [--seed N]`: breaks a real local stack and reconciles what it promised.

Each scenario is a module of this package with `run` and `control`; without a name all of them go, but those marked
`ONLY_BY_NAME`. Each ends with one JSON line; the exit status is 0 when every promise held and every negative control
failed as it must.
"""

import argparse
import asyncio
import importlib
import json
import pkgutil
import random
import signal
import sys
import traceback
from types import ModuleType
from typing import Any

from tests import chaos
from tests.chaos.options import Options


def main(arguments: list[str]) -> int:
    """Run the scenarios, each with its control; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--short", action="store_true", help="the forms for CI, under a minute each")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 31))
    parser.add_argument("--no-control", action="store_true", help="skip the negative control")
    given = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the stack is taken down on either
    found = scenarios()
    unknown = [name for name in given.names if name not in found]
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}; there are {', '.join(sorted(found))}")
    names = given.names or [name for name, module in found.items() if _belongs(module, short=given.short)]
    results = [_perform(name, found[name], given) for name in names]
    return 0 if all(results) else 1


def scenarios() -> dict[str, ModuleType]:
    """Every scenario by its name."""
    modules = (
        importlib.import_module(f"tests.chaos.{info.name}")
        for info in pkgutil.iter_modules(chaos.__path__)
        if not info.name.startswith("_")
    )
    return {
        module.__name__.rpartition(".")[2].replace("_", "-"): module for module in modules if hasattr(module, "control")
    }


def _belongs(module: ModuleType, *, short: bool) -> bool:
    """Whether a scenario goes unasked: the short round has those that name a short form."""
    return bool(getattr(module, "HAS_SHORT", False)) if short else not getattr(module, "ONLY_BY_NAME", False)


def _perform(name: str, scenario: ModuleType, given: argparse.Namespace) -> bool:
    options = Options(seed=given.seed, short=given.short)
    report: dict[str, Any] = {"chaos": name, "ok": False, "control_failed": False, "seed": given.seed}
    try:
        figures = asyncio.run(scenario.run(options))
        report |= {"ok": not figures["faults"], **figures}
        if not given.no_control:
            control = asyncio.run(scenario.control(options))
            report |= {"control_failed": bool(control["faults"]), "control_faults": control["faults"][:3]}
    except Exception:  # noqa: BLE001 - the last line tells, whatever happened
        report["crashed"] = traceback.format_exc()[-2_000:]
    print(json.dumps(report), flush=True)
    return bool(report["ok"] and (report["control_failed"] or given.no_control))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
