"""A real Valkey server from the binary of the Python environment, with one user a service."""

import hashlib
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from infra.local import binaries, ports, secretfiles
from infra.local.program import Program, start, stop, wait_until

REDIS = Path(__file__).resolve().parents[1] / "redis"
ADMINISTRATOR = "floyo"


@dataclass(frozen=True)
class Valkey:
    """Where a server's configuration lies, its port on 127.0.0.1, and the password of each user."""

    folder: Path
    port: int
    passwords: Mapping[str, str]

    def url(self, user: str = ADMINISTRATOR) -> str:
        """A redis:// URL of one service, or of the administrator who may do everything."""
        return f"redis://{user}:{quote(self.passwords[user], safe='')}@127.0.0.1:{self.port}/0"

    def program(self) -> Program:
        """How the server is started."""
        argv = [str(binaries.valkey()), str(self.folder / "valkey.conf")]
        return Program(argv, user=binaries.unprivileged(), folder=self.folder)

    def ready(self) -> bool:
        """Whether it answers."""
        return ports.answers(self.port, b"PING\r\n", (b"-NOAUTH", b"+PONG"))


def prepare(folder: Path, port: int, passwords: Mapping[str, str]) -> Valkey:
    """Write the configuration; `passwords` holds one a user, the administrator's among them."""
    server = Valkey(folder, port, passwords)
    user = binaries.unprivileged()
    folder.mkdir(parents=True, exist_ok=True)
    binaries.own(folder, user)
    if user:
        binaries.make_traversable(folder)
        binaries.make_traversable(binaries.valkey().parent)
    path = folder / "valkey.conf"
    secretfiles.write(path, configuration(server))
    binaries.own(path, user)
    return server


def configuration(server: Valkey) -> str:
    """The committed configuration with this server's address and users; passwords only as hashes."""
    lines = ["bind 127.0.0.1", f"port {server.port}", f"dir {server.folder}", "user default off nopass nocommands"]
    lines += user_lines(server.passwords)
    return (REDIS / "valkey.conf").read_text() + "\n" + "\n".join(lines) + "\n"


def user_lines(passwords: Mapping[str, str]) -> list[str]:
    """One line of an access list for each user; passwords only as hashes."""
    digests = {name: hashlib.sha256(password.encode()).hexdigest() for name, password in passwords.items()}
    return [f"user {name} on #{digest} {_rules(name)}" for name, digest in digests.items()]


def run(server: Valkey, output: int) -> subprocess.Popen[bytes]:
    """Start the server and return once it answers."""
    process = start(server.program(), output)
    if not wait_until(server.ready, process, 10):
        stop(process, server.program())
        raise RuntimeError(f"Valkey did not start on port {server.port}; its log says why")
    return process


def _rules(name: str) -> str:
    if name == ADMINISTRATOR:
        return "~* &* +@all"
    lines = (REDIS / "users.rules").read_text().splitlines()
    return " ".join(line for line in lines if line and not line.startswith("#")).replace("{service}", name)
