"""Discovery of plug-ins: every module of a package offers one object under an agreed name."""

import importlib
import pkgutil
from types import ModuleType
from typing import TypeVar

T = TypeVar("T")


def discover(package: ModuleType, attribute: str, kind: type[T]) -> dict[str, T]:
    """Imports the package's modules and returns their objects by module name.

    Raises TypeError when a module does not offer `attribute` as an instance of `kind`.
    """
    found: dict[str, T] = {}
    for info in pkgutil.iter_modules(package.__path__):
        module = importlib.import_module(f"{package.__name__}.{info.name}")
        item = getattr(module, attribute, None)
        if not isinstance(item, kind):
            raise TypeError(f"{module.__name__} must define {attribute} as a {kind.__name__}")
        found[info.name] = item
    return found
