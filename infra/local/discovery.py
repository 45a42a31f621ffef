"""Which services and workers exist: what stands under `services/`."""

import ast
from functools import cache
from pathlib import Path

from infra.local.home import ROOT

WORKER = "-worker"
# Connectors and steps are named by no module: processes look for them.
ENTRIES = ("app.py", "worker.py", "connectors/[!_]*", "steps/[!_]*")


def services() -> list[str]:
    """Services that answer requests."""
    return sorted(path.parent.name for path in (ROOT / "services").glob("*/app.py"))


def workers() -> list[str]:
    """Services that have a worker."""
    return sorted(path.parent.name for path in (ROOT / "services").glob("*/worker.py"))


def owners() -> list[str]:
    """Every service folder; each has a database, keys and a Redis user from the first start on."""
    return sorted(path.parent.name for path in (ROOT / "services").glob("*/__init__.py"))


def migrations(service: str) -> Path:
    """Where the migrations of a service stand."""
    return _folder(service) / "migrations" / "versions"


@cache
def own_variables(service: str) -> frozenset[str]:
    """The variables that only this service's settings name, read from their source, since importing them takes long."""
    path = _folder(service) / "settings.py"
    classes = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.ClassDef)]
    fields = [node.target.id for found in classes if found.name == "Settings" for node in found.body
              if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)]  # fmt: skip
    return frozenset(f"FLOYO_{name.upper()}" for name in fields)


def process_names() -> list[str]:
    """Names that can be scaled: `events`, `events-worker`, …"""
    return services() + [name + WORKER for name in workers()]


def modules() -> dict[str, list[str]]:
    """What all processes import, as `shared`, and those of each service besides, in an order that serves them all."""
    own = {name: [module for entry in ENTRIES for module in _modules(_folder(name), entry)] for name in owners()}
    return {"shared": [f"shared.{name}" for name in ("migrate", "service", "webapp", "server", "worker")], **own}


def newest_change() -> float:
    """When a module was last written, in seconds since the epoch."""
    return max(path.stat().st_mtime for folder in ("shared", "services") for path in (ROOT / folder).rglob("*.py"))


def _folder(service: str) -> Path:
    return ROOT / "services" / service


def _modules(folder: Path, pattern: str) -> list[str]:
    return [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in sorted(folder.glob(pattern))]
