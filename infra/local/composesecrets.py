"""The secrets of the Compose stack, and its gateway's user: made once, then written as each container reads them.

What is random is kept in `seeds/`; the files beside it follow from that and may be written again at any time.
Containers read them as another user than the one who makes them, so the folder is closed to others and its files are
not.
"""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from infra.local import environment, gatewaycertificate, secretfiles, valkey
from infra.local.home import ROOT, write_whole

DEFAULT_FOLDER = ROOT / ".floyo" / "compose-secrets"
NOBODY = 65532
POSTGRES, VALKEY = "postgres:5432", "valkey:6379"


def folder() -> Path:
    """Where they lie: FLOYO_COMPOSE_SECRETS, which docker-compose.yml reads as well."""
    named = os.environ.get("FLOYO_COMPOSE_SECRETS")
    return Path(named).expanduser().absolute() if named else DEFAULT_FOLDER


def make(target: Path, services: Sequence[str]) -> dict[str, str]:
    """Makes what is missing and writes every file; returns the contents by name."""
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    target.chmod(0o700)
    contents = dict(_contents(target / "seeds", services))
    for name, text in contents.items():
        write_whole(target / name, text)
        (target / name).chmod(0o644)
    return contents


def engine_socket() -> Path:
    """Where the container engine listens: FLOYO_DOCKER_SOCKET, which docker-compose.yml reads as well."""
    return Path(os.environ.get("FLOYO_DOCKER_SOCKET") or "/var/run/docker.sock")


def gateway_user() -> str:
    """`UID:GID` of nobody in the socket's group; where the engine lives in a machine of its own, that is root's."""
    outside = sys.platform == "darwin" or not engine_socket().exists()
    return f"{NOBODY}:{0 if outside else engine_socket().stat().st_gid}"


def name_gateway_user(file: Path) -> bool:
    """Adds FLOYO_GATEWAY_USER to what Compose reads beside its file, unless it is there; says whether it did."""
    text = file.read_text() if file.exists() else ""
    if any(line.startswith("FLOYO_GATEWAY_USER=") for line in text.splitlines()):
        return False
    with file.open("a") as opened:
        opened.write(f"{'' if text.endswith(chr(10)) or not text else chr(10)}FLOYO_GATEWAY_USER={gateway_user()}\n")
    return True


def _contents(seeds: Path, services: Sequence[str]) -> Mapping[str, str]:
    superuser = secretfiles.obtain(seeds, "postgres_password")
    found = {
        "secret_key": secretfiles.obtain(seeds, "secret_key"),
        "credential_keys": environment.credential_keys(seeds),
        "service_public_keys": json.dumps(environment.public_keys(seeds, services)),
        "postgres_password": superuser,
        "admin_database_url": _database_url("postgres", superuser, "postgres"),
        "gateway_certificate": gatewaycertificate.obtain(seeds)[0],
        "gateway_key": gatewaycertificate.obtain(seeds)[1],
        "valkey_users": valkey_users(environment.redis_passwords(seeds, services)),
    }
    for service in services:
        found.update({f"{service}_{name}": text for name, text in _of_service(seeds, service).items()})
    return found


def _of_service(seeds: Path, service: str) -> Mapping[str, str]:
    passwords = environment.role_passwords(seeds, [service])
    redis = environment.redis_passwords(seeds, [service])[service]
    urls = {kind: _database_url(f"{service}_{kind}", passwords[f"{service}_{kind}"], service) for kind in _KINDS}
    return {
        "database_url": urls["api"],
        "system_database_url": urls["system"],
        "owner_database_url": urls["owner"],
        "database_passwords": json.dumps(passwords),
        "redis_url": f"redis://{service}:{quote(redis, safe='')}@{VALKEY}/0",
        "service_key": secretfiles.obtain(seeds, f"service_key_{service}"),
    }


_KINDS = environment.ROLE_KINDS


def _database_url(user: str, password: str, database: str) -> str:
    return f"postgresql://{user}:{quote(password, safe='')}@{POSTGRES}/{database}"


def valkey_users(passwords: Mapping[str, str]) -> str:
    """An ACL file; without a password the default user would be let in from everywhere, so it is switched off."""
    return "\n".join(["user default reset off", *valkey.user_lines(passwords)]) + "\n"
