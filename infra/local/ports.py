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


class Reservation:
    """A port of 127.0.0.1 that stays ours between two lives of a process; OSError when somebody listens on it.

    The reserving socket never listens, so a dead instance refuses connections at once and the gateway tries another.
    """

    def __init__(self, port: int = 0) -> None:
        self._held = _bind(port)
        self.port: int = self._held.getsockname()[1]

    def listener(self) -> socket.socket:
        """A new socket on the same port, for one life of the process."""
        return _bind(self.port)

    def close(self) -> None:
        """Give the port back."""
        self._held.close()


def reserve(preferred: int | None = None) -> Reservation:
    """Reserve `preferred` when it is free, else a port the system picks."""
    return Reservation(free(preferred))


def _bind(port: int) -> socket.socket:
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    bound.bind(("127.0.0.1", port))
    return bound


def answers(port: int, request: bytes, expected: Iterable[bytes], timeout: float = 0.2) -> bool:
    """Whether the server on `port` answers `request` with something that starts as one of `expected`."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout) as connection:
            connection.sendall(request)
            return connection.recv(64).startswith(tuple(expected))
    except OSError:
        return False
