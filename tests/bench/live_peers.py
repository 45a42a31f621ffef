"""What live sockets are measured against: a frame encoded once for every socket, and python-socketio with Redis.

`python -m tests.bench.live_peers PORT` serves the limit. The peer is the text `SOCKETIO`, run by the Python of its own
environment. Both take POST /emit and send its body to every socket.
"""

import asyncio
import base64
import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

import uvloop

from infra.local.home import ROOT

FOLDER = ROOT / ".floyo" / "bench" / "socketio"
PACKAGES = ("python-socketio==5.*", "uvicorn==0.*", "uvloop", "httptools", "websockets", "redis")
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

SOCKETIO = """
import json, sys
import socketio, uvicorn

manager = socketio.AsyncRedisManager(sys.argv[2])
server = socketio.AsyncServer(async_mode="asgi", client_manager=manager, ping_interval=600)

async def emit(scope, receive, send):
    if scope["type"] != "http":
        return
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    if scope["method"] == "POST":
        for item in json.loads(body):
            await server.emit("message", item)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"{}"})

app = socketio.ASGIApp(server, emit)
uvicorn.run(app, port=int(sys.argv[1]), log_level="error", access_log=False)
"""


class Bare(asyncio.Protocol):
    """As little as a server of sockets can do: a handshake, then what is emitted, framed once."""

    sockets: ClassVar[set[Any]] = set()

    def __init__(self) -> None:
        self._received = b""
        self._upgraded = False

    def connection_made(self, transport: Any) -> None:
        """A connection of either kind."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """A handshake, a post, or what a socket says, which nobody listens to."""
        if self._upgraded:
            return
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        if not found:
            return
        headers = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        if b"sec-websocket-key" in headers:
            given = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key"))
            token = base64.b64encode(hashlib.sha1(given.split(b": ", 1)[1] + _GUID).digest())
            self._transport.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                  b"Sec-WebSocket-Accept: " + token + b"\r\n\r\n")  # fmt: skip
            self._upgraded = True
            self.sockets.add(self._transport)
        elif len(body) >= int(headers.get(b"content-length", b"0")):
            self._received = b""
            self._emit(body)
            self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    def _emit(self, body: bytes) -> None:
        for line in filter(None, body.split(b"\n")):
            frame = bytes([0x81, 126]) + len(line).to_bytes(2, "big") + line
            for transport in self.sockets:
                transport.write(frame)

    def connection_lost(self, _error: Exception | None) -> None:
        """Gone."""
        self.sockets.discard(self._transport)


def limit(port: int) -> "subprocess.Popen[bytes]":
    """The limit in a process of its own."""
    return subprocess.Popen([sys.executable, "-m", "tests.bench.live_peers", str(port)], cwd=ROOT)


def socketio(port: int, redis_url: str) -> "subprocess.Popen[bytes] | None":
    """The peer in its own environment, installed at first use; None when it cannot be."""
    python = FOLDER / "bin" / "python"
    if not python.exists():
        made = subprocess.run([sys.executable, "-m", "venv", str(FOLDER)], check=False)
        pip = [str(python), "-m", "pip", "install", "-q", *PACKAGES]
        if made.returncode or subprocess.run(pip, check=False).returncode:
            return None
    script = FOLDER / "peer.py"
    Path(script).write_text(SOCKETIO)
    return subprocess.Popen([str(python), str(script), str(port), redis_url])


async def serve(port: int) -> None:
    """The limit, until it is ended."""
    server = await asyncio.get_running_loop().create_server(Bare, "127.0.0.1", port, backlog=4_096)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
