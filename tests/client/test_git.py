"""Histories of repositories that real git has made."""

import os
import subprocess
from itertools import islice
from pathlib import Path

import pytest

from client.importers import git, open_source
from client.importers.drafts import Unreadable


class Repository:
    """A repository in a folder, with a clock that goes on an hour with each commit."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._hour = 0
        path.mkdir()
        self.git("init", "-q", "-b", "main")

    def git(self, *arguments: str, email: str = "Anna.Berg@example.com") -> None:
        time = f"2026-06-01T{self._hour:02}:00:00+02:00"
        identity = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER")
                    for what, value in (("NAME", "Anna"), ("EMAIL", email), ("DATE", time))}  # fmt: skip
        environment = {**os.environ, **identity, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
        subprocess.run(["git", *arguments], cwd=self.path, env=environment, check=True, capture_output=True)

    def commit(self, files: dict[str, str | bytes], message: str = "A change", **options: str) -> None:
        for name, content in files.items():
            target = self.path / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content if isinstance(content, bytes) else content.encode())
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message, **options)
        self._hour += 1


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "shop")


def test_a_commit_is_an_event_and_so_is_each_of_its_files(repository: Repository) -> None:
    repository.commit({"src/a.py": "1\n2\n", "README.md": "x\n"}, "Begin")
    repository.commit({"src/a.py": "1\n3\n"}, "token=abcdef12345 is no longer needed")
    events = list(open_source(repository.path))
    assert [(event["type"], event["subject"]) for event in events] == [
        ("commit.created", "shop"), ("file.changed", "README.md"), ("file.changed", "src/a.py"),
        ("commit.created", "shop"), ("file.changed", "src/a.py"),
    ]  # fmt: skip
    last = events[-1]
    assert (last["source"], last["actor"], last["time"]) == ("git", "anna.berg", "2026-06-01T01:00:00+02:00")
    assert (last["data"]["additions"], last["data"]["deletions"]) == (1, 1)
    assert last["data"]["commit"] == events[3]["id"]
    assert events[3]["data"]["message"] == "token={secret} is no longer needed"


def test_odd_names_renamings_and_binaries(repository: Repository) -> None:
    repository.commit({"a b\n\tü.txt": "one\ntwo\nthree\n", "image.png": b"\x00\xff" * 99})
    repository.git("mv", "a b\n\tü.txt", "ren amed.txt")
    repository.commit({})
    events = list(open_source(repository.path))
    by_subject = {event["subject"]: event for event in events}
    assert set(by_subject) == {"shop", "a b ü.txt", "image.png", "ren amed.txt"}
    assert "additions" not in by_subject["image.png"]["data"]
    renamed = by_subject["ren amed.txt"]
    assert (renamed["type"], renamed["data"]["former"]) == ("file.renamed", "a b\n\tü.txt")
    assert len({event["id"] for event in events}) == len(events)


def test_a_merge_is_told_from_a_commit(repository: Repository) -> None:
    repository.commit({"a": "1"})
    repository.git("checkout", "-q", "-b", "side")
    repository.commit({"b": "1"})
    repository.git("checkout", "-q", "main")
    repository.commit({"c": "1"})
    repository.git("merge", "-q", "--no-ff", "-m", "Merge side", "side")
    kinds = [event["type"] for event in open_source(repository.path) if event["type"].startswith("commit")]
    assert sorted(kinds) == ["commit.created"] * 3 + ["commit.merged"]


@pytest.mark.parametrize(
    ("email", "style", "actor"),
    [
        ("Anna.Berg@example.com", "name", "anna.berg"),
        ("1234+octo-cat@users.noreply.github.com", "name", "octo-cat"),
        ("Anna.Berg@example.com", "email", "anna.berg@example.com"),
        ("", "name", "unknown"),
    ],
)
def test_who_an_author_is(email: str, style: git.ActorStyle, actor: str) -> None:
    assert git.person(email, style) == actor


def test_a_hashed_author_is_always_the_same_and_tells_nothing() -> None:
    hashed = git.person("Anna.Berg@example.com", "hash")
    assert hashed == git.person("anna.berg@example.com ", "hash")
    assert "anna" not in hashed


def test_reading_again_gives_the_same_ids(repository: Repository) -> None:
    repository.commit({"a": "1", "b": "1"})
    first = [event["id"] for event in open_source(repository.path)]
    repository.commit({"a": "2"})
    assert [event["id"] for event in open_source(repository.path)][: len(first)] == first


def test_a_reader_that_stops_early_leaves_no_process(repository: Repository) -> None:
    for number in range(3):
        repository.commit({"a": str(number)})
    reader = git.read(repository.path)
    assert len(list(islice(reader, 2))) == 2
    reader.close()  # type: ignore[attr-defined]


def test_what_git_says_is_passed_on(repository: Repository, tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="HEAD"):
        list(open_source(repository.path))
    (tmp_path / "plain").mkdir()
    with pytest.raises(Unreadable, match="no git repository"):
        open_source(tmp_path / "plain")
