"""Files below a folder as events: looked at again and again, so that what changed while nobody looked is found too."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatch
from pathlib import Path

from client.importers import drafts
from client.importers.drafts import Event
from client.queue import Queue

MOST_FILES = 100_000
IGNORED = (
    ".git", ".hg", ".svn", "node_modules", "__pycache__", ".venv", ".mypy_cache", ".ruff_cache", ".pytest_cache",
    ".idea", "*.swp", "*.swx", "*.tmp", "*~", ".#*", ".~lock*", "~$*", "*.pyc", "*.part", "*.crdownload", ".DS_Store",
    "*.sqlite-wal", "*.sqlite-shm",
)  # fmt: skip


@dataclass(frozen=True)
class Watcher:
    """One folder or file, whose changes `actor` is taken to make."""

    root: Path
    actor: str
    ignored: tuple[str, ...] = IGNORED

    def look(self, queue: Queue) -> int:
        """Keeps an event for each change since the last look, with what was seen, at once; how many.

        The first look only remembers.
        """
        name = str(self.root)
        before = queue.seen(name)
        now = dict(self._files())
        changed = {path: mark for path, mark in now.items() if before.get(path) != mark}
        gone = [path for path in before if path not in now]
        if not before:
            queue.add([], root=name, marks={**changed, "": ""})
            return 0
        gone = [path for path in gone if path]
        events = list(self._events(before, changed, gone))
        if changed or gone:
            queue.add(events, root=name, marks={**changed, **dict.fromkeys(gone)})
        return len(events)

    def _events(self, before: dict[str, str], changed: dict[str, str], gone: list[str]) -> Iterator[Event]:
        """What changed, told by what stays the same: a file of the same number elsewhere was renamed."""
        left = {_inode(before[path]): path for path in gone}
        moved: set[str] = set()
        for path, mark in sorted(changed.items(), key=lambda item: (_changed(item[1]), item[0])):
            if path in before:
                yield self._event("file.changed", path, mark)
            elif (source := left.get(_inode(mark))) is not None and source not in moved:
                moved.add(source)
                yield self._event("file.renamed", path, mark, previous=self._name(source))
            else:
                yield self._event("file.created", path, mark)
        for path in sorted(set(gone) - moved):
            yield self._event("file.deleted", path, before[path], now=True)

    def _event(self, kind: str, path: str, mark: str, *, previous: str = "", now: bool = False) -> Event:
        nanoseconds = _changed(mark)
        moment = datetime.now(UTC) if now else datetime.fromtimestamp(nanoseconds / 1e9, UTC)
        key = drafts.digest(str(self.root), path, kind, mark, previous)
        data = {"previous": previous, "suffix": Path(path).suffix}
        return drafts.event("files", kind, moment, actor=self.actor, subject=self._name(path), data=data, id=key)

    def _name(self, path: str) -> str:
        """The path from the watched folder on, with its name."""
        return f"{self.root.name}/{path}" if path != "." else self.root.name

    def _files(self) -> Iterator[tuple[str, str]]:
        """(path below the root, what tells one state from another) of at most 100,000 files."""
        if self.root.is_file():
            yield ".", _mark(self.root.stat())
            return
        found = 0
        folders = [self.root]
        while folders and found < MOST_FILES:
            try:
                entries = sorted(os.scandir(folders.pop()), key=lambda entry: entry.name)
            except OSError:
                continue  # it has gone, or is not ours to read
            for entry in entries:
                if any(fnmatch(entry.name, pattern) for pattern in self.ignored):
                    continue
                try:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(Path(entry.path))
                    elif entry.is_file(follow_symlinks=False):
                        found += 1
                        yield str(Path(entry.path).relative_to(self.root)), _mark(entry.stat(follow_symlinks=False))
                except OSError:
                    continue


def _mark(state: os.stat_result) -> str:
    return f"{state.st_ino}:{state.st_mtime_ns}:{state.st_size}"


def _inode(mark: str) -> str:
    return mark.partition(":")[0]


def _changed(mark: str) -> int:
    return int(mark.split(":")[1])
