"""Which services and workers exist: what stands under `services/`."""

import ast
from functools import cache
from pathlib import Path

from infra.local.home import ROOT

WORKER = "-worker"
PLUGINS = ("connectors", "steps")


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
    return ROOT / "services" / service / "migrations" / "versions"


@cache
def own_variables(service: str) -> frozenset[str]:
    """The variables that only this service's settings name, read from their source, since importing them takes long."""
    path = ROOT / "services" / service / "settings.py"
    classes = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.ClassDef)]
    fields = [node.target.id for found in classes if found.name == "Settings" for node in found.body
              if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)]  # fmt: skip
    return frozenset(f"FLOYO_{name.upper()}" for name in fields)


def process_names() -> list[str]:
    """Names that can be scaled: `events`, `events-worker`, …"""
    return services() + [name + WORKER for name in workers()]


def modules() -> list[str]:
    """What the project's processes import, in the order in which a fork server had best do so."""
    early = ["shared.migrate", *(f"services.{name}.storage.tables" for name in services())]
    apps = [f"services.{name}.app" for name in services()] + [f"services.{name}.worker" for name in workers()]
    return [*early, "shared.server", "shared.worker", *apps, *_plugins()]


def newest_change() -> float:
    """When a module was last written, in seconds since the epoch."""
    return max(path.stat().st_mtime for folder in ("shared", "services") for path in (ROOT / folder).rglob("*.py"))


def _plugins() -> list[str]:
    """Connectors and steps, which no module names: processes look for them."""
    found = sorted(path for folder in PLUGINS for path in (ROOT / "services").glob(f"*/{folder}/[!_]*"))
    return [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in found]
