"""From a shell history to a finished run, with nothing but the client, through the gateway of a whole stack."""

import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from client import Floyo, FloyoProblem, cli
from client.importers import open_source
from tests.client.test_git import Repository
from tests.fixtures.stack import Stack

PASSWORD = "correct horse battery staple"
ROUTINE = ("git pull --rebase", "make test", "docker build -t shop .", "kubectl rollout restart deployment/shop")
NOISE = (
    "ls",
    "cd src",
    "vim app.py",
    "cat README.md",
    "git status",
    "htop",
    "df -h",
    "grep -rn main .",
    "man tar",
    "pwd",
)
SECRET = "hunter2" + "xyz"


@pytest.fixture
def email(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> str:
    """Somebody who has registered, on a machine that knows the gateway."""
    address = f"{uuid4().hex}@example.com"
    with Floyo(stack.gateway) as floyo:
        floyo.register(address, PASSWORD, "Anna")
    monkeypatch.setenv("FLOYO_URL", stack.gateway)
    monkeypatch.setenv("FLOYO_PASSWORD", PASSWORD)
    return address


@pytest.fixture
def floyo(stack: Stack, email: str) -> Iterator[Floyo]:
    """The Python client, logged in."""
    with Floyo(stack.gateway) as client:
        client.login(email, PASSWORD)
        yield client


@pytest.fixture
def history(tmp_path: Path) -> Path:
    """Six weeks of zsh: a routine on each working day, other commands around it, and one password."""
    chance = random.Random(7)
    day = datetime.now(UTC).replace(hour=9, minute=0, second=0, microsecond=0) - timedelta(days=43)
    lines = []
    for number in range(42):
        moment = day + timedelta(days=number, minutes=chance.randrange(240))
        for command in (*chance.sample(NOISE, 4), *ROUTINE, *chance.sample(NOISE, 4)):
            lines.append(f": {int(moment.timestamp())}:0;{command}\n")
            moment += timedelta(seconds=chance.randrange(8, 40))
    lines.append(f": {int(moment.timestamp())}:0;mysql -p{SECRET} shop\n")
    path = tmp_path / ".zsh_history"
    path.write_text("".join(lines))
    return path


def eventually(look: Callable[[], Any], seconds: float = 60) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"nothing within {seconds} s"
        time.sleep(0.2)
    return found


def test_a_history_becomes_a_workflow(email: str, history: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def run(*arguments: str) -> Any:
        status = cli.main([*arguments, "--json"])
        shown = capsys.readouterr()
        assert status == 0, shown.err
        return json.loads(shown.out)

    run("login", "--email", email)
    first = run("import", "shell", str(history), "--actor", "anna")
    assert (first["accepted"], first["rejected"]) == (42 * 12 + 1, 0)
    again = run("import", "shell", str(history), "--actor", "anna")
    assert (again["accepted"], again["duplicates"]) == (0, first["accepted"])
    newest = run("events", "--limit", "1")
    assert newest[0]["subject"] == "mysql -p{secret} shop"

    run("mine")
    patterns = eventually(lambda: run("patterns"))
    assert any(pattern["support"] >= 35 for pattern in patterns)
    suggestions = eventually(lambda: run("suggestions", "--status", "open"))
    applied = run("apply", suggestions[0]["id"])
    assert run("apply", suggestions[0]["id"]) == applied
    started = run("run", applied["workflow_id"], "--dry-run", "--wait", "20")
    assert run("runs", started["id"])["dry_run"] is True
    assert run("runs", "--workflow", applied["workflow_id"])[0]["id"] == started["id"]


def test_a_repository_is_imported_once(floyo: Floyo, tmp_path: Path) -> None:
    repository = Repository(tmp_path / "shop")
    for number in range(3):
        repository.commit({f"src/{name}.py": f"{number}\n" for name in range(99)})
    events = list(open_source(repository.path))
    first = floyo.events.batch(events)
    assert (first["accepted"], first["rejected"]) == (300, [])
    assert floyo.events.batch(events)["duplicates"] == 300
    assert {event["source"] for event in floyo.events.list(limit=250)} == {"git"}


def test_a_workflow_is_run_waited_for_and_cancelled(floyo: Floyo) -> None:
    steps = [{"id": "a", "type": "transform", "with": {"output": "{{ input.n }}"}}]
    quick = floyo.workflows.create({"name": "Quick", "trigger": {"type": "manual"}, "steps": steps})
    run = floyo.runs.start(quick["id"], {"n": 7}, wait=30)
    assert (run["status"], run["steps"][0]["output"]) == ("succeeded", 7)
    assert floyo.runs.start(quick["id"], {"n": 7}, version=1, wait=30)["version"] == 1
    again = [floyo.runs.start(quick["id"], {"n": 8}, idempotency_key="once")["id"] for _ in range(2)]
    assert again[0] == again[1]
    slow = floyo.workflows.create(
        {
            "name": "Slow",
            "trigger": {"type": "manual"},
            "steps": [{"id": "a", "type": "delay", "with": {"for": "PT1H"}}],
        }
    )
    waiting = floyo.runs.start(slow["id"])
    floyo.runs.cancel(waiting["id"])
    assert eventually(lambda: floyo.runs.get(waiting["id"])["status"] == "cancelled")
    assert [item["id"] for item in floyo.runs.list(workflow_id=slow["id"], status="cancelled")] == [waiting["id"]]


def test_problems_keys_and_sessions(floyo: Floyo, stack: Stack) -> None:
    with pytest.raises(FloyoProblem) as caught:
        floyo.events.post({"source": "", "type": "t"})
    assert caught.value.status == 422
    assert caught.value.errors[0]["pointer"] == "/source"
    with pytest.raises(FloyoProblem) as missing:
        floyo.patterns.get(str(uuid4()))
    assert missing.value.status == 404
    key = floyo.create_api_key("reader", ["events:read"])["key"]
    with Floyo(stack.gateway, key) as reader:
        assert list(reader.events.list()) == []
        with pytest.raises(FloyoProblem) as forbidden:
            reader.events.post({"source": "s", "type": "t"})
    assert forbidden.value.status == 403
    floyo.logout()
    with pytest.raises(FloyoProblem) as ended:
        floyo.me()
    assert ended.value.status == 401


def test_live_shows_what_is_posted(floyo: Floyo) -> None:
    frames = floyo.live(["events"])
    assert next(frames)["type"] == "subscribed"
    poster = threading.Thread(target=lambda: floyo.events.post({"source": "s", "type": "seen.live", "id": "1"}))
    poster.start()
    message = next(frame for frame in frames if frame["type"] == "message")
    poster.join()
    assert message["data"]["type"] == "seen.live"
    assert message["position"]
