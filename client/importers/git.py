"""Git repositories: an event for each commit and each file it changed, oldest first, read while git writes."""

import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Literal

from client import masking
from client.importers import drafts
from client.importers.drafts import Event, Fault, Report, Unreadable

ActorStyle = Literal["name", "email", "hash"]
_CHUNK = 1 << 16
_RECORD, _FIELD = "\x1e", "\x1f"
_FORMAT = "--format=%x1e%H%x1f%aE%x1f%aI%x1f%P%x1f%s"
_OPTIONS = ("-c", "core.fsmonitor=false", "-c", "log.showSignature=false", "-c", "diff.renames=true")
_NOREPLY = re.compile(r"^(?:\d+\+)?([^@]+)@users\.noreply\.github\.com$")


@dataclass(frozen=True)
class _Commit:
    sha: str
    actor: str
    time: str
    merge: bool
    message: str


@dataclass(frozen=True)
class _Change:
    """One file of a commit; git counts the lines as `-` where the file is binary."""

    added: str
    deleted: str
    path: str
    former: str | None = None

    @property
    def lines(self) -> dict[str, int]:
        counted = self.added.isdigit() and self.deleted.isdigit()
        return {"additions": int(self.added), "deletions": int(self.deleted)} if counted else {}


def is_repository(path: Path) -> bool:
    """Whether git would find a repository exactly here."""
    return (path / ".git").exists() or ((path / "HEAD").is_file() and (path / "objects").is_dir())


def read(
    path: Path, *, actor: ActorStyle = "name", since: str | None = None, report: Report = drafts.ignore
) -> Iterator[Event]:
    """Events of the history of HEAD; `since` is a date as git takes it.

    By default an author is the part of the address before the @, so that no addresses leave the machine.
    """
    repository = path.resolve().name.removesuffix(".git")
    commit: _Commit | None = None
    tokens = _log(path, since)
    for token in tokens:
        if token.startswith(_RECORD):
            commit = _commit(token, actor, report)
            if commit:
                yield _created(commit, repository)
        elif commit and (changed := _change(token, tokens)):
            yield _changed(commit, repository, changed)


def _log(path: Path, since: str | None) -> Iterator[str]:
    """What lies between the NULs of `git log -z --numstat`; raises Unreadable with git's own words."""
    command = ["git", "-C", str(path), *_OPTIONS, "log", "--reverse", "-z", "--numstat", "--no-color", _FORMAT]
    command += ["--no-ext-diff", "--no-textconv"] + ([f"--since={since}"] if since else []) + ["HEAD", "--"]
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "GIT_OPTIONAL_LOCKS": "0", "GIT_PAGER": ""}
    with tempfile.TemporaryFile() as complaints:
        try:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=complaints, env=environment)  # noqa: S603
        except FileNotFoundError:
            raise Unreadable("git is not installed here.") from None
        try:
            yield from _split(process.stdout)
        finally:
            if process.stdout:
                process.stdout.close()
            code = process.wait()
        if code:
            complaints.seek(0)
            said = complaints.read(2000).decode(errors="replace").strip()
            raise Unreadable(f"git could not read {path}: {said}")


def _split(stream: IO[bytes] | None) -> Iterator[str]:
    rest = b""
    while stream and (chunk := stream.read(_CHUNK)):
        *whole, rest = (rest + chunk).split(b"\0")
        for part in whole:
            yield part.decode(errors="replace").lstrip("\n")
    if rest.strip():
        yield rest.decode(errors="replace").lstrip("\n")


def _commit(token: str, style: ActorStyle, report: Report) -> _Commit | None:
    sha, email, time, parents, message = token[1:].split(_FIELD, 4)
    try:
        datetime.fromisoformat(time)
    except ValueError:
        report(Fault(f"commit {sha[:12]}", f"its author date {time!r} is no time"))
        return None
    return _Commit(sha, person(email, style), time, " " in parents, message)


def person(email: str, style: ActorStyle = "name") -> str:
    """The author's name for an event: the part before the @, the address, or a digest of it."""
    email = email.strip().lower()
    if style == "hash":
        return "person-" + drafts.digest("git", email)[:12]
    if style == "email":
        return email
    known = _NOREPLY.match(email)
    return (known[1] if known else email.partition("@")[0]) or "unknown"


def _change(token: str, following: Iterator[str]) -> _Change | None:
    """A numstat entry; a renaming is followed by both paths."""
    added, _, rest = token.partition("\t")
    deleted, tab, path = rest.partition("\t")
    if not tab:
        return None
    if path:
        return _Change(added, deleted, path)
    former = next(following, "")
    return _Change(added, deleted, next(following, ""), former)


def _created(commit: _Commit, repository: str) -> Event:
    return drafts.event(
        "git",
        "commit.merged" if commit.merge else "commit.created",
        commit.time,
        actor=commit.actor,
        subject=repository,
        data={"commit": commit.sha, "repository": repository, "message": masking.mask(commit.message)},
        id=commit.sha,
    )


def _changed(commit: _Commit, repository: str, change: _Change) -> Event:
    former = change.former and masking.mask(change.former)
    return drafts.event(
        "git",
        "file.renamed" if former else "file.changed",
        commit.time,
        actor=commit.actor,
        subject=masking.mask(change.path),
        data={"commit": commit.sha, "repository": repository, "former": former, **change.lines},
        id=f"{commit.sha}:{drafts.digest(change.path)}",
    )
