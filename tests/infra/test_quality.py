"""What `task quality` reads: whatever the names and columns, with damage left out and counted."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

from infra.local.quality import kinds, recorded
from infra.local.quality.sources import Damage, seconds

COMMITS = "path\tAuthor Time\tcommit_no\tauthor\nb.py\t20\t2\tann\na.py\t10\t1\tbob\nb.py\t10\t1\tbob\n"
TYPED = "Command;user;when;Timestamp\nls;ann;x;2020-01-01T00:00:05Z\ncd /tmp;bob;x;2020-01-01T00:00:01Z\n"
SCREEN = "Value,timeStamp,eventType,caseID,Url\nx,2020-01-01T00:00:00Z,open,7,u\ny,2020-01-01T00:00:02Z,close,7,u\n"


def stored(folder: Path, name: str, body: str, keep: int | None = None) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    raw = gzip.compress(body.encode()) if name.endswith(".gz") else body.encode()
    path.write_bytes(raw[:keep])


def test_commits_are_read_whatever_the_order_of_columns(tmp_path: Path) -> None:
    stored(tmp_path, "git/any name.tsv.gz", COMMITS)
    ((name, commits),) = kinds.repositories(tmp_path, Damage())
    assert (name, commits) == ("any name", [("bob", 10.0, ["a.py", "b.py"]), ("ann", 20.0, ["b.py"])])


def test_commits_without_a_header_have_the_usual_one(tmp_path: Path) -> None:
    stored(tmp_path, "x.tsv", "1\tann\t10\t+0100\ta.py\n1\tann\t10\t+0100\tb.py\n")
    ((_, commits),) = kinds.repositories(tmp_path, Damage())
    assert commits == [("ann", 10.0, ["a.py", "b.py"])]


def test_damaged_lines_are_left_out_and_counted(tmp_path: Path) -> None:
    stored(tmp_path, "r.tsv", COMMITS + "c.py\tnot a number\t3\tann\nonly one field\n\t30\t4\tann\n")
    damage = Damage()
    ((_, commits),) = kinds.repositories(tmp_path, damage)
    assert (len(commits), damage.lines["r.tsv"]) == (2, 3)


def test_a_file_that_was_cut_off_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    body = COMMITS + "".join(f"f{number}.py\t{number}\t{number}\tann\n" for number in range(3, 5000))
    stored(tmp_path, "r.tsv.gz", body, keep=10_000)
    ((_, commits),) = kinds.repositories(tmp_path, Damage())
    assert 100 < len(commits) < 5000


def test_shell_histories_come_as_tables_and_as_plain_files(tmp_path: Path) -> None:
    stored(tmp_path, "shell/typed.csv", TYPED)
    stored(tmp_path, "shell/sea/User1", "ls\n\ncd\n")
    stored(tmp_path, "shell/sea/User2", "#1600000000\nmake\n: 1600000050:0;git push\n")
    stored(tmp_path, "shell/lines.jsonl", json.dumps({"cmd": "pwd", "host": "h", "timestamp": 5}) + "\n{broken\n")
    damage = Damage()
    found = dict(kinds.shells(tmp_path, damage))
    assert [row[2] for row in found["typed"]] == ["cd /tmp", "ls"]
    assert found["sea"][:2] == [("User1", 0.0, "ls"), ("User1", 1.0, "cd")]
    assert found["sea"][2:] == [("User2", 1600000000.0, "make"), ("User2", 1600000050.0, "git push")]
    assert (found["lines"], damage.lines["lines.jsonl"]) == ([("h", 5.0, "pwd")], 1)


def test_recordings_know_actions_by_what_they_are_done_to(tmp_path: Path) -> None:
    stored(tmp_path, "anywhere/screen.csv", SCREEN + "z,soon,open,7,u\n")
    damage = Damage()
    (log,) = kinds.recordings(tmp_path, damage)
    assert (log.codes.tolist(), log.cases.tolist(), damage.lines["screen.csv"]) == ([0, 1], [0, 0], 1)


@pytest.mark.parametrize("given", ["1600000000", "1600000000000", "1600000000000000", "2020-09-13T12:26:40+00:00"])
def test_moments_are_read_in_any_unit(given: str) -> None:
    assert seconds(given) == 1_600_000_000.0


def test_missing_kinds_are_said_and_have_no_value(tmp_path: Path) -> None:
    targets = [target for row in recorded.ROWS for target in row(tmp_path, Damage())]
    assert len(targets) == 15
    assert {target.value for target in targets} == {None}
    assert {target.ok for target in targets} == {None}


def test_a_small_folder_ends_with_one_line_of_json(tmp_path: Path) -> None:
    stored(tmp_path, "shell/typed.csv", TYPED)
    script = "import sys; from infra.local.quality import __main__ as it, made; made.ROWS = (); sys.exit(it.main())"
    command = [sys.executable, "-c", script, "--data", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    answer = json.loads(done.stdout.splitlines()[-1])
    assert answer["quality"] == "mining"
    assert answer["ok"] is (done.returncode == 0)
    assert {"name", "value", "target", "ok"} == {name for target in answer["targets"] for name in target}
