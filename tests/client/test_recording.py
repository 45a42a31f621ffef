"""watch, track and flush as real processes: nothing is lost while nobody answers, and nothing is sent twice."""

import json
import os
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from client.queue import Full, Queue
from client.watching import Watcher
from tests.client.server import Answer, Asked, Service

ROOT = Path(__file__).resolve().parents[2]
SECRET = "hunter2" + "xyz"


class Log:
    """What a Floyo has recorded: each (source, id) once, in the order of arrival."""

    def __init__(self, remote: Service) -> None:
        self.events: dict[tuple[str, str], dict[str, Any]] = {}
        self.again = 0
        remote.respond = self.answer

    def answer(self, asked: Asked) -> Answer:
        new = [event for event in asked.body if (event["source"], event["id"]) not in self.events]
        self.events |= {(event["source"], event["id"]): event for event in new}
        self.again += len(asked.body) - len(new)
        return Answer(200, {"accepted": len(new), "duplicates": len(asked.body) - len(new), "rejected": []})

    def told(self) -> list[tuple[str, str]]:
        return [(event["type"], event.get("subject", "")) for event in self.events.values()]


@pytest.fixture
def environment(remote: Service, tmp_path: Path) -> dict[str, str]:
    return {**os.environ, "FLOYO_URL": remote.url, "FLOYO_TOKEN": "floyo_key", "FLOYO_HOME": str(tmp_path / "home")}


def nobody() -> str:
    """An address at which nobody answers."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{held.getsockname()[1]}"


def eventually(look: Callable[[], Any], seconds: float = 20) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"nothing within {seconds} s"
        time.sleep(0.05)
    return found


@pytest.fixture
def watching(environment: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """Starts watchers of tmp_path/work, and ends those that are left."""
    started: list[subprocess.Popen[str]] = []

    def start(**more: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "client", "watch", str(tmp_path / "work"), "--interval", "0.1", "--json"]
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, cwd=ROOT, env={**environment, **more}, stdout=pipe, stderr=pipe, text=True)
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def rows(environment: dict[str, str], table: str) -> int:
    path = Path(environment["FLOYO_HOME"]) / "queue.sqlite"
    if not path.exists():
        return 0
    with sqlite3.connect(path) as file:
        try:
            found: int = file.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        except sqlite3.OperationalError:
            found = 0
    file.close()
    return found


def test_what_changes_is_recorded_and_survives_restart_and_silence(
    remote: Service, environment: dict[str, str], tmp_path: Path, watching: Callable[..., "subprocess.Popen[str]"]
) -> None:
    log, work = Log(remote), tmp_path / "work"
    work.mkdir()
    (work / "old.txt").write_text("before")
    first = watching()
    eventually(lambda: rows(environment, "seen") >= 2)
    (work / "new.txt").write_text("1")
    (work / "node_modules").mkdir()
    (work / "node_modules" / "ignored.js").write_text("1")
    eventually(lambda: ("file.created", "work/new.txt") in log.told())
    (work / "new.txt").rename(work / "renamed.txt")
    eventually(lambda: ("file.renamed", "work/renamed.txt") in log.told())
    first.kill()
    first.wait()

    (work / "old.txt").write_text("while nobody looked")
    silent = watching(FLOYO_URL=remote.url)
    eventually(lambda: ("file.changed", "work/old.txt") in log.told())
    silent.send_signal(signal.SIGTERM)
    assert silent.wait(10) == 0

    before = dict(log.events)
    remote.respond = lambda _: Answer(503, {"type": "urn:floyo:problem:unavailable", "title": "No", "status": 503})
    away = watching()
    time.sleep(0.3)
    (work / "unheard.txt").write_text("1")
    eventually(lambda: rows(environment, "waiting") == 1)
    away.kill()
    away.wait()
    assert log.events == before
    remote.respond = log.answer
    back = watching()
    eventually(lambda: ("file.created", "work/unheard.txt") in log.told())
    (work / "renamed.txt").unlink()
    eventually(lambda: ("file.deleted", "work/renamed.txt") in log.told())
    eventually(lambda: rows(environment, "waiting") == 0)
    back.send_signal(signal.SIGINT)
    output, _ = back.communicate(timeout=10)
    assert json.loads(output) == {"accepted": 2, "rejected": 0, "waiting": 0}
    kinds = sorted(log.told())
    assert len(kinds) == len(set(kinds)) == 5
    assert not any("ignored" in subject for _, subject in kinds)


def test_the_queue_is_for_its_owner_and_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    queue = Queue("http://floyo", tmp_path / "state" / "queue.sqlite")
    assert stat.S_IMODE(queue.path.stat().st_mode) == 0o600
    event = {"source": "s", "type": "t", "id": "1"}
    assert (queue.add([event]), queue.add([event]), len(queue)) == (1, 0, 1)
    monkeypatch.setattr("client.queue.MOST", 2)
    with pytest.raises(Full):
        queue.add([{**event, "id": str(number)} for number in range(5)], root="r", marks={"a": "1:2:3"})
    assert (len(queue), queue.seen("r")) == (1, {})
    other = Queue("http://elsewhere", queue.path)
    assert other.next() == []
    queue.close()
    other.close()


def test_a_look_is_one_transaction(tmp_path: Path) -> None:
    queue = Queue("http://floyo", tmp_path / "queue.sqlite")
    work = tmp_path / "work"
    (work / "deep" / "er").mkdir(parents=True)
    (work / "deep" / "er" / "x.txt").write_text("1")
    watcher = Watcher(work, "ann")
    assert (watcher.look(queue), watcher.look(queue), len(queue)) == (0, 0, 0)
    (work / "deep" / "er" / "x.txt").write_text("22")
    (work / "link").symlink_to(work)
    assert (watcher.look(queue), watcher.look(queue)) == (1, 0)
    ((_, event),) = queue.next()
    assert (event["type"], event["subject"], event["actor"]) == ("file.changed", "work/deep/er/x.txt", "ann")
    again = Queue("http://floyo", queue.path)
    assert watcher.look(again) == 0
    queue.close()
    again.close()


def track(environment: dict[str, str], *command: str, **more: Any) -> "subprocess.CompletedProcess[str]":
    given = [sys.executable, "-m", "client", "track", "--actor", "ann", "--", *command]
    return subprocess.run(given, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, **more)


@pytest.mark.parametrize(
    ("script", "status"), [("exit 0", 0), ("exit 3", 3), ("kill -KILL $$", 137), ("cat >&2; echo out", 0)]
)
def test_a_tracked_command_is_itself(remote: Service, environment: dict[str, str], script: str, status: int) -> None:
    log = Log(remote)
    done = track(environment, "sh", "-c", script, input="given")
    assert done.returncode == status
    if "cat" in script:
        assert (done.stdout, done.stderr) == ("out\n", "given")
    ((_, event),) = eventually(log.events.items)
    assert event["type"] == "command.sh"
    assert event["actor"] == "ann"
    assert event["data"]["exit_code"] == status
    assert event["data"]["duration_seconds"] >= 0


def test_secrets_of_a_tracked_command_stay_here(remote: Service, environment: dict[str, str]) -> None:
    log = Log(remote)
    assert track(environment, "true", f"--password={SECRET}", f"https://ann:{SECRET}@example.com").returncode == 0
    ((_, event),) = eventually(log.events.items)
    assert SECRET not in json.dumps(event)
    assert event["type"] == "command.true"


def test_what_cannot_be_run_is_said_as_shells_do(environment: dict[str, str], tmp_path: Path) -> None:
    assert track(environment, "no-such-program-here").returncode == 127
    plain = tmp_path / "plain"
    plain.write_text("x")
    assert track(environment, str(plain)).returncode == 126
    nothing = subprocess.run(
        [sys.executable, "-m", "client", "track"], cwd=ROOT, env=environment, capture_output=True, check=False
    )
    assert nothing.returncode == 2


def test_nobody_there_delays_nothing_and_loses_nothing(remote: Service, environment: dict[str, str]) -> None:
    away = {**environment, "FLOYO_URL": nobody()}
    bare = _seconds(lambda: subprocess.run([sys.executable, "-c", ""], check=True))
    tracked = _seconds(lambda: track(away, "true"))
    assert tracked < bare + 1.5
    assert rows(environment, "waiting") == 1
    log = Log(remote)
    with sqlite3.connect(Path(environment["FLOYO_HOME"]) / "queue.sqlite") as file:
        file.execute("UPDATE waiting SET target = ?", (remote.url,))
    file.close()
    flushed = subprocess.run(
        [sys.executable, "-m", "client", "flush", "--json"], cwd=ROOT, env=environment, capture_output=True, check=True
    )
    assert json.loads(flushed.stdout) == {"accepted": 1, "rejected": 0, "waiting": 0}
    assert len(log.events) == 1


def _seconds(run: Callable[[], object]) -> float:
    begun = time.monotonic()
    run()
    return time.monotonic() - begun


def test_signals_reach_the_tracked_command(remote: Service, environment: dict[str, str]) -> None:
    log = Log(remote)
    script = (
        "import signal, sys, time; signal.signal(15, lambda *_: sys.exit(42)); print('up', flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-m", "client", "track", "--", sys.executable, "-c", script]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 42
    process.stdout.close()
    ((_, event),) = eventually(log.events.items)
    assert event["data"]["exit_code"] == 42
