"""A live socket that subscribes and then reads nothing, with as little room in its kernel as there may be."""

import base64
import os
import socket
import time

RECEIVE_BYTES = 4_096


class Staller:
    """Opened, left alone, and read to its end at last."""

    def __init__(self, port: int, key: str) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
        self._socket.settimeout(10)
        self._socket.connect(("127.0.0.1", port))
        nonce = base64.b64encode(os.urandom(16)).decode()
        self._socket.sendall(
            f"GET /api/v1/live HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {nonce}\r\nSec-WebSocket-Version: 13\r\nAuthorization: Bearer {key}\r\n\r\n".encode()
        )
        answer = self._socket.recv(2_000)
        if not answer.startswith(b"HTTP/1.1 101"):
            raise RuntimeError(f"no socket: {answer[:200]!r}")
        self._socket.sendall(_frame(b'{"type":"subscribe","channels":["events"]}'))
        self._socket.recv(200)

    def read_to_the_end(self, seconds: float) -> tuple[int, bool]:
        """Bytes that were on their way, and whether the other side had ended the connection."""
        until, total = time.monotonic() + seconds, 0
        self._socket.settimeout(2)
        try:
            while time.monotonic() < until:
                data = self._socket.recv(1 << 16)
                if not data:
                    return total, True
                total += len(data)
        except TimeoutError:
            return total, False
        except ConnectionError:
            return total, True
        finally:
            self._socket.close()
        return total, False


def _frame(payload: bytes) -> bytes:
    """A short masked text frame, the mask being zero."""
    return bytes([0x81, 0x80 | len(payload), 0, 0, 0, 0]) + payload
