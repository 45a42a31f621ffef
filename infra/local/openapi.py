"""The API document of every service as a committed file, so that a change of the contract shows in its review."""

import argparse
import difflib
import importlib
import json
import sys
from pathlib import Path

from fastapi import FastAPI

from infra.local import discovery
from shared import crypto
from shared.server import settings_class
from shared.settings import Settings

FOLDER = Path(__file__).resolve().parents[1] / "openapi"
SHOWN_LINES = 40


def build(service: str) -> FastAPI:
    """The public application of a service, connected to nothing."""
    app: FastAPI = importlib.import_module(f"services.{service}.app").create_app(settings_of(service))
    return app


def write(service: str) -> str:
    """The document as it is committed: JSON in the order of the routes."""
    return json.dumps(build(service).openapi(), indent=1, ensure_ascii=False) + "\n"


def compare(service: str, folder: Path = FOLDER) -> list[str]:
    """One fault with a difference, or none."""
    path = folder / f"{service}.json"
    committed, present = path.read_text() if path.exists() else "", write(service)
    if committed == present:
        return []
    lines = difflib.unified_diff(committed.splitlines(), present.splitlines(), "committed", "present", lineterm="", n=1)
    return [f"{path.name} is stale; run ./taskw openapi\n" + "\n".join(list(lines)[:SHOWN_LINES])]


def settings_of(service: str) -> Settings:
    """Settings that let a service be built and nothing be reached."""
    address = "postgresql://nobody:nothing@127.0.0.1:1/nowhere"  # pragma: allowlist secret
    told = {
        "environment": "development",
        "secret_key": crypto.random_token(48),
        "credential_keys": f"k1:{crypto.random_token(32)}=",
        "database_url": address,
        "system_database_url": address,
        "redis_url": "redis://127.0.0.1:1/0",
        "service_key": crypto.random_token(32),
        "service_public_keys": {},
    }
    return settings_class(service).model_validate(told)


def main(arguments: list[str]) -> int:
    """The command line: compares, or writes with `--write`; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m infra.local.openapi", description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the documents instead of comparing them")
    if parser.parse_args(arguments).write:
        FOLDER.mkdir(exist_ok=True)
        for service in discovery.services():
            (FOLDER / f"{service}.json").write_text(write(service))
        return 0
    faults = [fault for service in discovery.services() for fault in compare(service)]
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
