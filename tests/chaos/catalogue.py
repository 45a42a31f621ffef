"""The scenarios by name, in the order of the promises that they prove."""

import importlib
import pkgutil
import re
from dataclasses import dataclass
from types import ModuleType

from tests import chaos

_FIRST_LINE = re.compile(r"(A\d+), ([a-z-]+): ")


@dataclass(frozen=True)
class Scenario:
    """One module with `run` and `control`, the number of its promise and its name."""

    promise: str
    name: str
    module: ModuleType

    def belongs(self, *, short: bool) -> bool:
        """Whether it goes unasked: the short round has those that name a short form."""
        if short:
            return bool(getattr(self.module, "HAS_SHORT", False))
        return not getattr(self.module, "ONLY_BY_NAME", False)


def scenarios() -> dict[str, Scenario]:
    """Every scenario by its name; raises ValueError for a module that names no promise."""
    modules = (importlib.import_module(f"tests.chaos.{info.name}") for info in pkgutil.iter_modules(chaos.__path__)
               if not info.name.startswith("_"))  # fmt: skip
    found = [_read(module) for module in modules if hasattr(module, "control")]
    return {scenario.name: scenario for scenario in sorted(found, key=lambda one: (int(one.promise[1:]), one.name))}


def _read(module: ModuleType) -> Scenario:
    match = _FIRST_LINE.match(module.__doc__ or "")
    name = module.__name__.rpartition(".")[2].replace("_", "-")
    if match is None or match[2] != name:
        raise ValueError(f"{module.__name__} must begin with its promise and its name: `A7, {name}: …`")
    return Scenario(match[1], name, module)
