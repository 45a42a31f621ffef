"""Shell histories in every dialect, read as the shells write them."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from client.importers import commands, open_source, shell
from client.importers.drafts import Fault

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
T0 = int(NOON.timestamp())


def history(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_bash_with_times_keeps_commands_of_several_lines(tmp_path: Path) -> None:
    text = f"#{T0}\ngit status\n#{T0 + 60}\nfor i in 1 2\ndo echo $i\ndone\n#{T0 + 90}\nls\n"
    events = list(open_source(history(tmp_path, ".bash_history", text), actor="anna"))
    assert [event["type"] for event in events] == ["command.git.status", "command.for", "command.ls"]
    assert events[0] | {"id": ""} == {
        "id": "", "source": "shell", "type": "command.git.status", "actor": "anna", "subject": "git status",
        "time": NOON.isoformat(),
        "data": {"command": "git status", "program": "git", "shell": "bash"},
    }  # fmt: skip
    assert events[1]["data"]["command"] == "for i in 1 2\ndo echo $i\ndone"
    assert events[1]["subject"] == "for i in 1 2 do echo $i done"


def test_bash_without_times_says_that_times_are_estimated(tmp_path: Path) -> None:
    path = history(tmp_path, ".bash_history", "cd src\n\nmake\nmake\n")
    os.utime(path, (T0, T0))
    events = list(open_source(path, actor="anna"))
    assert [event["time"][11:19] for event in events] == ["11:59:00", "11:59:30", "12:00:00"]
    assert all(event["data"]["time_estimated"] for event in events)
    assert len({event["id"] for event in events}) == 3


def test_a_grown_history_without_times_adds_only_what_is_new(tmp_path: Path) -> None:
    path = history(tmp_path, ".bash_history", "cd src\nmake\n")
    before = {event["id"] for event in open_source(path, actor="anna")}
    path.write_text("cd src\nmake\nmake\n")
    after = [event["id"] for event in open_source(path, actor="anna")]
    assert after[:2] == sorted(before, key=after.index)
    assert after[2] not in before


def test_zsh_extended_with_continuation_and_its_own_encoding(tmp_path: Path) -> None:
    unusual = "größe ł".encode()
    metafied = b"".join(bytes([0x83, byte ^ 0x20]) if 0x83 <= byte <= 0xA2 else bytes([byte]) for byte in unusual)
    text = f": {T0}:0;git push\n: {T0 + 5}:12;docker run \\\n  nginx\n: {T0 + 9}:0;echo ".encode() + metafied + b"\n"
    events = list(open_source(history(tmp_path, ".zsh_history", text)))
    assert [event["type"] for event in events] == ["command.git.push", "command.docker.run", "command.echo"]
    assert events[1]["data"]["duration_seconds"] == 12
    assert events[1]["data"]["command"] == "docker run \n  nginx"
    assert events[2]["data"]["command"] == "echo größe ł"


def test_fish_is_not_quite_yaml(tmp_path: Path) -> None:
    text = (
        f'- cmd: git commit -m "a: b"\n  when: {T0}\n  paths:\n    - a: b\n'
        f"- cmd: echo one\\necho two \\\\ three\n  when: {T0 + 1}\n- cmd: ls"
    )
    events = list(open_source(history(tmp_path, "fish_history", text)))
    assert [event["data"]["command"] for event in events] == [
        'git commit -m "a: b"', "echo one\necho two \\ three", "ls",
    ]  # fmt: skip
    assert events[0]["time"] == NOON.isoformat()
    assert events[2]["data"]["time_estimated"] is True


def test_the_same_history_gives_the_same_ids_and_alike_commands_their_own(tmp_path: Path) -> None:
    path = history(tmp_path, "history", f"#{T0}\nls\n#{T0}\nls\n#{T0}\npwd\n#{T0 + 1}\nls\n")
    first = [event["id"] for event in open_source(path, actor="anna")]
    assert first == [event["id"] for event in open_source(path, actor="anna")]
    assert len(set(first)) == 4
    assert set(first).isdisjoint(event["id"] for event in open_source(path, actor="ben"))


def test_a_truncated_head_does_not_change_the_rest(tmp_path: Path) -> None:
    lines = [f"#{T0 + n}\nmake {n % 3}\n" for n in range(20)]
    whole = [event["id"] for event in open_source(history(tmp_path, "history", "".join(lines)), actor="a")]
    rest = [event["id"] for event in open_source(history(tmp_path, "history", "".join(lines[5:])), actor="a")]
    assert rest == whole[5:]


def test_a_password_named_late_is_masked_early(tmp_path: Path) -> None:
    word = "correct-horse"
    text = f"#{T0}\n{word}\n#{T0 + 1}\nmysql -p{word} shop\n#{T0 + 2}\necho {word}\n"
    events = list(open_source(history(tmp_path, ".bash_history", text), actor="a"))
    assert word not in str(events)
    assert events[0]["type"] == "command.other"


def test_a_time_that_is_none_is_reported_and_the_command_kept(tmp_path: Path) -> None:
    faults: list[Fault] = []
    path = history(tmp_path, "fish_history", "- cmd: ls\n  when: never\n")
    events = list(open_source(path, report=faults.append))
    assert len(events) == 1
    assert faults == [Fault("line 2", "'never' is no time")]


def test_bytes_that_are_no_text_do_not_stop_the_import(tmp_path: Path) -> None:
    path = history(tmp_path, ".bash_history", b"#%d\nls \xff\x00\x01\n# a comment\n" % T0)
    assert [event["subject"] for event in open_source(path)] == ["ls \ufffd # a comment"]


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("git -C /srv push origin", ("git", "push")),
        ("sudo -u anna systemctl restart nginx", ("systemctl", "restart")),
        ("FOO=1 BAR='a b' ./run.sh -x", ("run.sh", None)),
        ("/usr/bin/python3 -m pytest -q", ("python3", "pytest")),
        ("kubectl -n prod get pods | grep x", ("kubectl", "get")),
        ("service nginx reload", ("service", "reload")),
        ("npm run build", ("npm", "run")),
        ("time make -j4 test", ("make", "test")),
        ("(cd a && ls)", ("cd", None)),
        ("echo 'unfinished", ("echo", None)),
        ("{secret}", ("other", None)),
        ("sudo", ("sudo", None)),
        ("git {secret}", ("git", None)),
    ],
)
def test_the_type_names_program_and_verb(command: str, expected: tuple[str, str | None]) -> None:
    assert commands.program(command) == expected


def test_the_usual_history_is_found(tmp_path: Path) -> None:
    assert shell.default_history({"HOME": str(tmp_path)}) is None
    path = history(tmp_path, ".bash_history", "ls\n")
    assert shell.default_history({"HOME": str(tmp_path)}) == path
    other = history(tmp_path, "mine", "ls\n")
    assert shell.default_history({"HOME": str(tmp_path), "HISTFILE": str(other)}) == other
