"""Where one local stack keeps everything: `FLOYO_HOME`, `.floyo/` in the repository unless told otherwise."""

import hashlib
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
DEFAULT_PORT = 8080
_MAX_SOCKET_PATH = 100
_MAX_PORT = 65_535


@dataclass(frozen=True)
class Home:
    """The folders and files of one stack."""

    folder: Path

    @property
    def secrets(self) -> Path:
        return self.folder / "secrets"

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def mail(self) -> Path:
        return self.folder / "mail"

    @property
    def gateway(self) -> Path:
        return self.folder / "gateway"

    @property
    def siblings(self) -> Path:
        return self.folder / "siblings.json"

    @property
    def ports(self) -> Path:
        return self.folder / "ports.json"

    @property
    def lock(self) -> Path:
        """Held by the supervisor as long as it lives, whatever becomes of its pid file."""
        return self.folder / "supervisor.lock"

    @property
    def control(self) -> Path:
        """The socket that commands are sent to; in the temporary folder when the path would be too long for one."""
        path = self.folder / "control.sock"
        if len(os.fsencode(path)) <= _MAX_SOCKET_PATH:
            return path
        digest = hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"floyo-{os.geteuid()}" / f"{digest}.sock"

    def make(self) -> None:
        """Create the folders; what holds secrets, logs or mail is closed to others."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.gateway.mkdir(exist_ok=True)
        for closed in (self.secrets, self.logs, self.mail, self.control.parent):
            if closed != self.folder:
                closed.mkdir(mode=0o700, exist_ok=True)
        if self.control.parent.stat().st_uid != os.geteuid():
            raise PermissionError(f"{self.control.parent} belongs to somebody else; set TMPDIR to a folder of your own")

    def remembered_ports(self) -> dict[str, Any]:
        """The ports of the last start, to be preferred when they are still free."""
        try:
            ports: dict[str, Any] = json.loads(self.ports.read_text())
        except (OSError, ValueError):
            return {}
        return ports


def from_environment() -> Home:
    """The home that FLOYO_HOME names."""
    return Home(Path(os.environ.get("FLOYO_HOME") or ROOT / ".floyo").expanduser().absolute())


def gateway_port() -> int:
    """The port that FLOYO_PORT names, 8080 without it; raises ValueError with a sentence."""
    text = os.environ.get("FLOYO_PORT") or str(DEFAULT_PORT)
    if not text.isdecimal() or not 0 < int(text) <= _MAX_PORT:
        raise ValueError(f"FLOYO_PORT must be a port from 1 to {_MAX_PORT}, not {text!r}")
    return int(text)


def write_whole(path: Path, text: str) -> None:
    """Replace a file at one stroke, so that whoever watches it never reads half of it."""
    draft = path.with_name(f".{path.name}.draft")
    draft.write_text(text)
    draft.replace(path)
