"""A small real HTTP server on loopback that answers from a list and keeps what it was asked."""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Asked:
    """One request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class Answer:
    """One answer; a body that is a text goes as it is, as the gateway's own answers do."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


def problem(status: int, slug: str, detail: str, **more: Any) -> Answer:
    body = {"type": f"urn:floyo:problem:{slug}", "title": "A problem", "status": status, "detail": detail, **more}
    return Answer(status, body, {"Content-Type": "application/problem+json"})


Respond = Callable[[Asked], Answer]


class Service:
    """Answers each request by the next of `answers`, or by `respond` when there are none left."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.asked: list[Asked] = []
        self.respond: Respond = lambda _: Answer(404, "404 page not found")
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                length = int(self.headers.get("content-length") or 0)
                raw = self.rfile.read(length)
                asked = Asked(
                    self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, json.loads(raw or b"null")
                )
                service.asked.append(asked)
                answer = service.answers.pop(0) if service.answers else service.respond(asked)
                body = answer.body.encode() if isinstance(answer.body, str) else json.dumps(answer.body).encode()
                body = b"" if answer.status == 204 else body
                self.send_response(answer.status)
                kind = "text/plain" if isinstance(answer.body, str) else "application/json"
                for name, value in {"Content-Type": kind, **answer.headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = answer  # noqa: N815

            def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
