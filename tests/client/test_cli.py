"""The command line: what it prints, where it keeps what, and how it ends."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from client import Floyo, cli, uploading
from tests.client.server import Answer, Asked, Service, problem

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def address(remote: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOYO_URL", remote.url)
    monkeypatch.setenv("FLOYO_TOKEN", "floyo_key")
    monkeypatch.setenv("COLUMNS", "200")


class Log:
    """An event log as the events service keeps it: (source, id) once, unnamed types refused."""

    def __init__(self, remote: Service) -> None:
        self.seen: set[tuple[str, str]] = set()
        self.sizes: list[int] = []
        remote.respond = self.answer

    def answer(self, asked: Asked) -> Answer:
        rejected = [
            {"index": index, "type": "invalid", "detail": "No."}
            for index, event in enumerate(asked.body) if event["type"] == "refused"
        ]  # fmt: skip
        keys = {(event["source"], event["id"]) for event in asked.body if event["type"] != "refused"}
        new = keys - self.seen
        self.seen |= new
        self.sizes.append(len(asked.body))
        return Answer(200, {"accepted": len(new), "duplicates": len(keys) - len(new), "rejected": rejected})


def table(folder: Path, rows: int, refused: int | None = None) -> Path:
    path = folder / "log.csv"
    lines = [f"{1780315200 + n},{'refused' if n == refused else 'a'},u" for n in range(rows)]
    path.write_text("\n".join(["time,type,user", *lines]))
    return path


def test_an_import_goes_in_batches_and_again_adds_nothing(
    remote: Service, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = Log(remote)
    path = str(table(tmp_path, 4_203))
    assert cli.main(["import", "csv", path]) == 0
    assert log.sizes == [2_000, 2_000, 203]
    assert "4,203 accepted" in capsys.readouterr().out
    assert cli.main(["import", "csv", path, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["read"], answer["accepted"], answer["duplicates"]) == (4_203, 0, 4_203)


def test_rejections_are_listed_with_index_and_reason(
    remote: Service, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Log(remote)
    path = table(tmp_path, 700, refused=612)
    with path.open("a") as file:
        file.write("\nnever,a,u\n")
    assert cli.main(["import", "csv", str(path), "--json"]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert answer["refused"][0]["index"] == 612
    assert answer["faults"] == [{"place": "line 702", "reason": "'never' is no time"}]
    assert cli.main(["import", "csv", str(path)]) == 1
    shown = capsys.readouterr().out
    assert "event 612" in shown
    assert "line 702" in shown


def test_an_interrupted_import_says_how_to_go_on(
    remote: Service, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = Answer(200, {"accepted": 500, "duplicates": 0, "rejected": []})
    remote.answers = [good, problem(403, "forbidden", "The key may not write events.")]
    assert cli.main(["import", "csv", str(table(tmp_path, 2_100))]) == 1
    said = capsys.readouterr().err
    assert "after 2,000 events" in said
    assert "forbidden" in said


def test_large_events_make_smaller_batches() -> None:
    events = [{"source": "s", "type": "t", "id": str(n), "data": "x" * 1_000_000} for n in range(10)]
    assert [len(batch) for batch in uploading.batches(events)] == [4, 4, 2]


def test_reading_goes_on_while_a_batch_is_sent_and_its_faults_come_in_their_place(remote: Service) -> None:
    log = Log(remote)

    def read() -> Iterator[dict[str, Any]]:
        for number in range(5):
            yield {"source": "s", "type": "t", "id": str(number)}
        raise OSError("the disk is gone")

    summary = uploading.Summary()
    with Floyo(remote.url, "floyo_key") as floyo, pytest.raises(OSError, match="the disk is gone"):
        uploading.upload(floyo, read(), size=2, summary=summary)
    assert (log.sizes, summary.read) == ([2, 2], 4)


def test_a_shell_history_is_masked_before_it_is_sent(remote: Service, tmp_path: Path) -> None:
    log = Log(remote)
    path = tmp_path / ".bash_history"
    path.write_text("#1780315200\nmysql -phunter2xyz\n")
    assert cli.main(["import", "shell", str(path), "--actor", "anna"]) == 0
    assert len(log.seen) == 1
    assert "hunter2xyz" not in json.dumps(remote.asked[0].body)


def test_a_dry_run_sends_nothing(remote: Service, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["import", "csv", str(table(tmp_path, 3)), "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["read"] == 3
    assert remote.asked == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"], ["apply"], ["import", "csv", "/no/such/file"], ["events", "--limit", "0"], ["live", "weather"],
        ["import", "csv", "pyproject.toml", "--map", "colour=x"], ["run", "w", "--input", "{"],
        ["import", "git", ".", "--actor", "nobody"],
    ],
)  # fmt: skip
def test_a_wrong_use_ends_with_two(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(arguments) == 2
    assert capsys.readouterr().err


def test_a_problem_ends_with_one_and_is_json_when_asked(
    remote: Service, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    remote.answers = [problem(404, "suggestion-not-found", "There is none."), problem(401, "unauthorized", "Who?")]
    assert cli.main(["apply", "x", "--json"]) == 1
    assert json.loads(capsys.readouterr().err)["type"] == "suggestion-not-found"
    assert cli.main(["events"]) == 1
    assert "floyo login" in capsys.readouterr().err
    assert cli.main(["import", "csv", str(Path(__file__))]) == 1
    assert "unreadable" in capsys.readouterr().err


def test_every_command_has_help(capsys: pytest.CaptureFixture[str]) -> None:
    names = ("login", "logout", "whoami", "events", "patterns", "suggestions", "workflows", "runs", "mine", "apply",
             "dismiss", "run", "cancel", "live", "import")  # fmt: skip
    for name in names:
        assert cli.main([name, "--help"]) == 0
        assert "--help" in capsys.readouterr().out
    assert cli.main(["import", "csv", "--help"]) == 0
    assert "--map" in capsys.readouterr().out


def test_lists_are_tables_or_json(remote: Service, capsys: pytest.CaptureFixture[str]) -> None:
    event = {"id": "e", "time": "2026-06-01T12:00:00Z", "actor": None, "source": "s", "type": "[red]t[/]",
             "subject": "\x1b[31mx"}  # fmt: skip
    remote.respond = lambda _: Answer(200, {"items": [event], "next_cursor": None})
    assert cli.main(["events", "--type", "t", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [event]
    assert "type=t" in remote.asked[0].path
    assert cli.main(["events"]) == 0
    shown = capsys.readouterr().out
    assert "[red]t[/]" in shown
    assert "\x1b[31mx" not in shown


def test_patterns_suggestions_and_runs_are_shown(remote: Service, capsys: pytest.CaptureFixture[str]) -> None:
    pattern = {"id": "p1", "kind": "sequence", "support": 7, "confidence": 0.9, "minutes_per_week": 3.25,
               "steps": [{"source": "git", "type": "commit"}, {"type": "push", "subject": "main"}]}  # fmt: skip
    suggestion = {"id": "s1", "title": "Push", "reasoning": "Seven times", "confidence": 0.9, "minutes_per_week": 3,
                  "status": "open"}  # fmt: skip
    run = {"id": "r1", "status": "failed", "steps": [
        {"id": "a", "type": "http", "status": "failed", "attempts": 4, "error": {"type": "timeout"}}]}  # fmt: skip
    remote.answers = [
        Answer(200, {"items": [pattern], "next_cursor": None}),
        Answer(200, {"items": [suggestion], "next_cursor": None}),
        Answer(200, run), Answer(200, run), Answer(201, {"workflow_id": "w9"}), Answer(200, pattern),
    ]  # fmt: skip
    assert cli.main(["patterns"]) == 0
    assert cli.main(["suggestions"]) == 0
    assert cli.main(["runs", "r1"]) == 0
    assert cli.main(["run", "w1", "--input", "1"]) == 1
    assert cli.main(["apply", "s1"]) == 0
    assert cli.main(["patterns", "p1"]) == 0
    shown = capsys.readouterr().out
    for words in ("git.commit → push main", "Seven times", "timeout", "Workflow w9"):
        assert words in shown


def test_login_asks_for_the_second_factor_and_stores_the_session(
    remote: Service, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("FLOYO_TOKEN")
    monkeypatch.setenv("FLOYO_PASSWORD", "a long passphrase")
    monkeypatch.setattr("typer.prompt", lambda *_, **__: "123456")
    pair = {
        "access_token": "a",
        "token_type": "bearer",
        "expires_in": 300,
        "refresh_token": "r",
        "organization_id": "o",
    }
    remote.answers = [problem(401, "second-factor-required", "Code?"), Answer(200, pair), Answer(200, {"id": "me"})]
    assert cli.main(["login", "--email", "anna@example.com", "--json"]) == 0
    assert remote.asked[1].body["totp"] == "123456"
    assert cli.main(["whoami"]) == 0
    assert remote.asked[2].headers["authorization"] == "Bearer a"
    remote.answers = [Answer(204)]
    assert cli.main(["logout"]) == 0
    assert json.loads((home / "floyo" / "credentials.json").read_text()) == {}
    assert "a long passphrase" not in capsys.readouterr().out


def test_the_command_runs_as_a_module_and_survives_a_closed_pipe(remote: Service) -> None:
    items = [{"id": str(n), "time": "2026-06-01T12:00:00Z", "source": "s" * 200, "type": "t"} for n in range(2_000)]
    remote.respond = lambda _: Answer(200, {"items": items, "next_cursor": None})
    command = f"{sys.executable} -m client events --limit 2000 --json | head -n 1"
    result = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (result.returncode, result.stdout, result.stderr) == (0, "[\n", "")


def test_login_prefers_an_address_to_a_key_of_the_environment(
    remote: Service, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLOYO_PASSWORD", "a long passphrase")
    pair = {
        "access_token": "a",
        "token_type": "bearer",
        "expires_in": 300,
        "refresh_token": "r",
        "organization_id": "o",
    }
    remote.answers = [Answer(200, pair)]
    assert cli.main(["login", "--email", "anna@example.com"]) == 0
    kept = json.loads((home / "floyo" / "credentials.json").read_text())
    assert kept[remote.url]["token"] == "a"
    assert cli.main(["login", "--key", "floyo_other"]) == 0
    kept = json.loads((home / "floyo" / "credentials.json").read_text())
    assert kept[remote.url]["token"] == "floyo_other"
