"""Events that wait on this machine to be sent: one file that survives restarts, and sends nothing twice."""

import contextlib
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

BATCH = 500
# What is never sent must not fill the disk.
MOST = 500_000
_SCHEMA = """
CREATE TABLE IF NOT EXISTS waiting (
    number INTEGER PRIMARY KEY, target TEXT NOT NULL, source TEXT NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL,
    UNIQUE (target, source, id));
CREATE TABLE IF NOT EXISTS seen (root TEXT NOT NULL, path TEXT NOT NULL, mark TEXT NOT NULL, PRIMARY KEY (root, path));
"""

Event = dict[str, Any]


class Queue:
    """The events for one Floyo; several processes may use the file at once."""

    def __init__(self, target: str, path: Path | None = None) -> None:
        self.path = path or default_path()
        self._target = target.rstrip("/")
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with contextlib.suppress(FileExistsError):
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL, 0o600))
        self._file = sqlite3.connect(self.path, timeout=30, isolation_level=None)
        self._file.execute("PRAGMA journal_mode = WAL")
        self._file.executescript(_SCHEMA)

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def add(self, events: Iterable[Event], *, root: str = "", marks: dict[str, str | None] | None = None) -> int:
        """Keeps events, each with its id, and in the same transaction what was seen of files; how many are new.

        marks: path → what to remember of it, None to forget. Raises Full, and keeps nothing, beyond 500,000 events.
        """
        with self._transaction():
            before = self._file.total_changes
            rows = [(self._target, event["source"], event["id"], json.dumps(event)) for event in events]
            keep = "INSERT OR IGNORE INTO waiting (target, source, id, body) VALUES (?, ?, ?, ?)"
            self._file.executemany(keep, rows)
            added = self._file.total_changes - before
            if len(self) > MOST:
                raise Full
            for path, mark in (marks or {}).items():
                if mark is None:
                    self._file.execute("DELETE FROM seen WHERE root = ? AND path = ?", (root, path))
                else:
                    self._file.execute("INSERT OR REPLACE INTO seen VALUES (?, ?, ?)", (root, path, mark))
        return added

    def seen(self, root: str) -> dict[str, str]:
        """What is remembered of the files below a root."""
        return dict(self._file.execute("SELECT path, mark FROM seen WHERE root = ?", (root,)))

    def next(self) -> list[tuple[int, Event]]:
        """The oldest events, at most 500, with the numbers under which they wait."""
        query = "SELECT number, body FROM waiting WHERE target = ? ORDER BY number LIMIT ?"
        return [(number, json.loads(body)) for number, body in self._file.execute(query, (self._target, BATCH))]

    def remove(self, numbers: Iterable[int]) -> None:
        """Forgets events that have arrived."""
        with self._transaction():
            self._file.executemany("DELETE FROM waiting WHERE number = ?", [(number,) for number in numbers])

    def __len__(self) -> int:
        found = self._file.execute("SELECT count(*) FROM waiting WHERE target = ?", (self._target,)).fetchone()
        return int(found[0])

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._file.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._file.execute("ROLLBACK")
            raise
        self._file.execute("COMMIT")


class Full(Exception):  # it is what happened
    """More waits than may; what happens meanwhile is found later."""


def default_path() -> Path:
    """Under FLOYO_HOME when that is set, else in the user's state folder."""
    if home := os.environ.get("FLOYO_HOME"):
        return Path(home).expanduser() / "queue.sqlite"
    folder = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(folder).expanduser() / "floyo" / "queue.sqlite"
