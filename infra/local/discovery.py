"""Which services and workers exist: what stands under `services/`."""

import ast
from functools import cache
from pathlib import Path

from infra.local.home import ROOT

WORKER = "-worker"


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
    """Every module of the project's processes, in the order in which a fork server had best import them."""
    early = ["shared.migrate", *(f"services.{name}.storage.tables" for name in services())]
    found = [*_modules("shared"), *_modules("services")]
    return early + [name for name in found if name not in early]


def newest_change() -> float:
    """When a module was last written, in seconds since the epoch."""
    return max(path.stat().st_mtime for folder in ("shared", "services") for path in (ROOT / folder).rglob("*.py"))


def _modules(folder: str) -> list[str]:
    names = []
    for path in sorted((ROOT / folder).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if "migrations" in parts or "alembic" in parts or "testing" in parts:
            continue
        names.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return names
