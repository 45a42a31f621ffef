"""docker-compose.yml, and every way in which it would differ from the local stack: the two run the same processes."""

import importlib
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from infra.local import binaries, composesecrets, discovery, environment, gateway
from infra.local.home import ROOT
from infra.local.postgres import Postgres
from infra.local.valkey import Valkey

PATH = ROOT / "docker-compose.yml"
MIGRATIONS = "-migrations"
SERVERS = frozenset({"gateway", "postgres", "valkey"})
LOCAL_ONLY = frozenset({"FLOYO_INSTANCE", "FLOYO_SIBLINGS_FILE"})
"""A container's instance is its host name, and it finds its siblings by theirs."""
OF_THE_PROCESS = frozenset({"FLOYO_SECRETS_DIR", "FLOYO_BIND"})
"""Read before there are settings."""

Compose = Mapping[str, Any]


def read(path: Path = PATH) -> Compose:
    """The file with its anchors resolved."""
    found: Compose = yaml.safe_load(path.read_text())
    return found


def compare(file: Compose) -> list[str]:
    """A sentence for each difference, none when both run the same."""
    return [*_names(file), *_variables(file), *_scaling(file), *_gateway(file), *_secrets(file), *_versions(file)]


def variables(process: Compose) -> set[str]:
    """The names of what a container is told, in its environment or as a secret."""
    secrets = {str(item["target"]).upper() for item in process.get("secrets", ()) if isinstance(item, dict)}
    return set(process.get("environment", ())) | secrets


def _names(file: Compose) -> Iterator[str]:
    expected = set(discovery.process_names())
    expected |= {name + MIGRATIONS for name in discovery.owners() if discovery.migrations(name).is_dir()}
    found = set(file["services"]) - SERVERS
    yield from (f"{name} is missing; the local stack has it" for name in sorted(expected - found))
    yield from (f"{name} is unknown to the local stack" for name in sorted(found - expected))


def _variables(file: Compose) -> Iterator[str]:
    for name in file["services"].keys() & set(discovery.process_names()):
        service, worker = name.removesuffix(discovery.WORKER), name.endswith(discovery.WORKER)
        told = variables(file["services"][name])
        settings = importlib.import_module(f"services.{service}.settings").Settings
        read_by_service = {f"FLOYO_{field.upper()}" for field in settings.model_fields}
        given = _given_locally(service, worker=worker) & read_by_service - LOCAL_ONLY
        yield from (f"{name} is not told {variable}" for variable in sorted(given - told))
        strange = {variable for variable in told if variable.startswith("FLOYO_")} - read_by_service - OF_THE_PROCESS
        yield from (f"{name} is told {variable}, which it does not read" for variable in sorted(strange))


def _given_locally(service: str, *, worker: bool) -> set[str]:
    with tempfile.TemporaryDirectory(prefix="floyo-compare-") as name:
        folder, services = Path(name), discovery.owners()
        server = Postgres(folder, 0, "")
        cache = Valkey(folder, 0, environment.redis_passwords(folder, services))
        stack = environment.Environment(folder, services, server, cache, "", "", folder / "siblings.json")
        return set(stack.of(service, "", worker=worker))


def _scaling(file: Compose) -> Iterator[str]:
    for name, process in file["services"].items():
        if "container_name" in process:
            yield f"{name} has a container_name and could not be scaled"
        if "ports" in process and name != "gateway":
            yield f"{name} publishes ports; only the gateway may"


def _gateway(file: Compose) -> Iterator[str]:
    for name in discovery.services():
        labels = file["services"].get(name, {}).get("labels", {})
        prefix = f"traefik.http.services.{name}.loadbalancer."
        expected = {f"{prefix}healthcheck.{key.lower()}": value for key, value in gateway.HEALTH_CHECK.items()}
        expected |= {"traefik.enable": "true", f"{prefix}server.port": "8000"}
        differing = {key for key, value in expected.items() if labels.get(key) != value}
        yield from (f"{name} has not the label {key}={expected[key]}" for key in sorted(differing))
        yield from (f"{name} makes a router by label {key}" for key in labels if ".routers." in key)


def _secrets(file: Compose) -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="floyo-compare-") as name:
        made = set(composesecrets.make(Path(name), discovery.owners()))
    named = set(file["secrets"])
    yield from (f"the secret {missing} is not made by compose:secrets" for missing in sorted(named - made))
    yield from (f"the secret {unused} is made and never used" for unused in sorted(made - named))


def _versions(file: Compose) -> Iterator[str]:
    wanted = f"postgres:{binaries.POSTGRES_MAJOR}"
    if (found := file["services"]["postgres"]["image"]) != wanted:
        yield f"postgres runs {found}, the local stack {wanted}"
