"""Free TCP ports on the loopback address."""

import socket
from collections.abc import Iterable


def free(preferred: int | None = None) -> int:
    """A port nobody listens on: `preferred` when it is still free, else one the system picks."""
    for candidate in (preferred or 0, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", candidate))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise OSError("no free port on 127.0.0.1")


def answers(port: int, request: bytes, expected: Iterable[bytes], timeout: float = 0.2) -> bool:
    """Whether the server on `port` answers `request` with something that starts as one of `expected`."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout) as connection:
            connection.sendall(request)
            return connection.recv(64).startswith(tuple(expected))
    except OSError:
        return False
