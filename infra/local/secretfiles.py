"""Secrets of one installation: made once, kept as files that only their owner reads."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path


def obtain(folder: Path, name: str, make: Callable[[], str] = lambda: secrets.token_urlsafe(32)) -> str:
    """Read the secret `name`, or make and keep it. Two callers at once end up with the same one."""
    path = folder / name
    if not path.exists():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = folder / f".{name}.{os.getpid()}"
        write(draft, make())
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text()


def write(path: Path, text: str) -> None:
    """Write `text` so that no one else could read the file at any moment."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
