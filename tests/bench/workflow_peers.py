"""Three-step runs as peers do them: each as an HTTP server of its own, in an environment of its own.

`python workflow_peers.py dbos PORT SINK DSN` and `… celery PORT SINK BROKER` are executed by an interpreter that has
the peer installed; Node-RED and n8n read what `flow` and `n8n` write. Outside functions only the standard library is
imported.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any

CELERY_PROCESSES = 2


def dbos(port: int, sink: str, dsn: str) -> None:
    """Each step checkpointed in PostgreSQL, as its documentation shows."""
    import httpx  # type: ignore[import-not-found]
    import uvicorn
    from dbos import DBOS  # type: ignore[import-not-found]
    from fastapi import FastAPI

    app = FastAPI()
    DBOS(config={"name": "bench", "system_database_url": dsn, "run_admin_server": False, "log_level": "ERROR"})
    client = httpx.Client(limits=httpx.Limits(max_connections=40))

    def call(body: Any) -> int:
        return int(client.post(f"{sink}/effect/{uuid.uuid4()}/call", json=body).status_code)

    first, second, third = (DBOS.step(name=step.__name__)(step) for step in (before, call, after))

    def three_steps(given: int) -> Any:
        return third(second(first(given)))

    workflow = DBOS.workflow()(three_steps)

    def run() -> dict[str, Any]:
        return {"output": workflow(1)}

    app.post("/run")(run)
    DBOS.launch()
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="error", access_log=False)


def celery(port: int, sink: str, broker: str) -> None:
    """A chain of three tasks whose results are kept in the broker; nothing outlives it."""
    import requests
    from celery import Celery, chain  # type: ignore[import-not-found]

    app = Celery("bench", broker=broker, backend=broker)
    app.conf.update(task_acks_late=True, worker_prefetch_multiplier=4, broker_connection_retry_on_startup=True)

    def call(body: Any) -> int:
        return int(requests.post(f"{sink}/effect/{uuid.uuid4()}/call", json=body, timeout=10).status_code)

    first, second, third = (app.task(name=step.__name__)(step) for step in (before, call, after))
    options = ["worker", f"--concurrency={CELERY_PROCESSES}", "--loglevel=ERROR"]
    options += ["--without-gossip", "--without-mingle"]
    multiprocessing.get_context("fork").Process(target=app.worker_main, args=(options,)).start()
    serve(port, lambda: chain(first.s(1), second.s(), third.s()).apply_async().get(timeout=30))


def before(given: int) -> dict[str, int]:
    """The first step reshapes what came."""
    return {"n": given}


def after(status: int) -> int:
    """The last one what the call has answered."""
    return status


def serve(port: int, run: Any) -> None:
    """A plain server that answers each POST with what one run put out."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            body = json.dumps({"output": run()}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_ignored: Any) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        request_queue_size = 64
        daemon_threads = True

    Server(("127.0.0.1", port), Handler).serve_forever()


def flow(folder: Path, port: int, sink: str) -> None:
    """Node-RED's folder: settings that keep it to itself, and a flow of webhook, change, request, change, answer."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = {
        "uiHost": "127.0.0.1", "uiPort": port, "httpAdminRoot": False, "flowFile": "flows.json",
        "telemetry": {"enabled": False, "updateNotification": False},
        "logging": {"console": {"level": "error", "metrics": False, "audit": False}},
    }  # fmt: skip
    (folder / "settings.js").write_text(f"module.exports = {json.dumps(settings)};\n")
    change = {"type": "change", "z": "t"}
    nodes: list[dict[str, Any]] = [
        {"id": "t", "type": "tab", "label": "bench"},
        {"id": "a", "type": "http in", "z": "t", "url": "/run", "method": "post", "wires": [["b"]]},
        {"id": "b", **change, "rules": [{"t": "set", "p": "payload", "pt": "msg", "to": '{"n":1}', "tot": "json"}],
         "wires": [["c"]]},
        {"id": "c", "type": "http request", "z": "t", "method": "POST", "ret": "obj", "url": f"{sink}/effect/run/call",
         "wires": [["d"]]},
        {"id": "d", **change, "rules": [{"t": "set", "p": "payload.output", "pt": "msg", "to": "200", "tot": "num"}],
         "wires": [["e"]]},
        {"id": "e", "type": "http response", "z": "t", "statusCode": "200", "wires": []},
    ]  # fmt: skip
    (folder / "flows.json").write_text(json.dumps(nodes))


def n8n(folder: Path, sink: str) -> Path:
    """n8n's folder with the workflow to import: webhook, set, request, set; the last node's output is the answer."""
    folder.mkdir(parents=True, exist_ok=True)
    steps: list[tuple[str, str, float, dict[str, Any]]] = [
        ("hook", "webhook", 2, {"httpMethod": "POST", "path": "run", "responseMode": "lastNode"}),
        ("before", "set", 3.4, {"mode": "raw", "jsonOutput": '{"n": 1}'}),
        ("call", "httpRequest", 4.2, {"method": "POST", "url": f"{sink}/effect/run/call", "sendBody": True,
                                      "specifyBody": "json", "jsonBody": "={{ $json }}"}),
        ("after", "set", 3.4, {"mode": "raw", "jsonOutput": '{"output": 200}'}),
    ]  # fmt: skip
    nodes = [
        {"id": name, "name": name, "type": f"n8n-nodes-base.{kind}", "typeVersion": version, "position": [200 * at, 0],
         "parameters": parameters, "webhookId": name}
        for at, (name, kind, version, parameters) in enumerate(steps)
    ]  # fmt: skip
    connections = {
        earlier[0]: {"main": [[{"node": later[0], "type": "main", "index": 0}]]} for earlier, later in pairwise(steps)
    }
    workflow = {"id": "bench", "name": "bench", "active": False, "settings": {}}
    path = folder / "workflow.json"
    path.write_text(json.dumps([{**workflow, "nodes": nodes, "connections": connections}]))
    return path


if __name__ == "__main__":
    {"dbos": dbos, "celery": celery}[sys.argv[1]](int(sys.argv[2]), sys.argv[3], sys.argv[4])
