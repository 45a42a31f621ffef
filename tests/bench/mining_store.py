"""The state of a `graph.Stream` in SQLite: what a batch changed and the cursor are committed together."""

from __future__ import annotations

import json
import sqlite3

import numpy as np
import polars as pl

from services.events.mining.activity import Ints
from services.events.mining.graph import Stream

_BLOCK = 1024
_SCHEMA = """
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    CREATE TABLE IF NOT EXISTS name (kind TEXT, start INTEGER, names TEXT, PRIMARY KEY (kind, start));
    CREATE TABLE IF NOT EXISTS last (block INTEGER PRIMARY KEY, actions BLOB);
    CREATE TABLE IF NOT EXISTS follows (action INTEGER PRIMARY KEY, counts BLOB);
    CREATE TABLE IF NOT EXISTS place (only_one INTEGER PRIMARY KEY, at INTEGER);
"""


class Store:
    """A file that holds one stream: names in the order of their numbers, arrays in blocks and rows."""

    def __init__(self, path: str) -> None:
        self._file = sqlite3.connect(path, isolation_level=None)
        self._file.executescript(_SCHEMA)
        self._named = {"case": 0, "action": 0}

    def save(self, stream: Stream, owners: Ints, pairs: Ints, place: int) -> None:
        """What a batch changed, as `Stream.add` tells it, and where the next one begins."""
        blocks = np.unique(owners // _BLOCK).tolist()
        rows = np.unique(pairs // stream.counts.shape[0]).tolist()
        last = ((block, stream.last[block * _BLOCK : (block + 1) * _BLOCK].tobytes()) for block in blocks)
        follows = ((row, stream.counts[row].tobytes()) for row in rows)
        self._file.execute("BEGIN")
        self._name(stream)
        self._file.executemany("INSERT OR REPLACE INTO last VALUES (?, ?)", last)
        self._file.executemany("INSERT OR REPLACE INTO follows VALUES (?, ?)", follows)
        self._file.execute("INSERT OR REPLACE INTO place VALUES (1, ?)", (place,))
        self._file.execute("COMMIT")

    def _name(self, stream: Stream) -> None:
        for kind, numbers in (("case", stream.cases), ("action", stream.actions)):
            start = self._named[kind]
            if len(numbers) > start:
                names = json.dumps(numbers.names(start))
                self._file.execute("INSERT INTO name VALUES (?, ?, ?)", (kind, start, names))
                self._named[kind] = len(numbers)

    def load(self) -> tuple[Stream, int]:
        """The stream as it was saved last, and where its next batch begins."""
        stream = Stream()
        for kind, numbers in (("case", stream.cases), ("action", stream.actions)):
            texts = self._file.execute("SELECT names FROM name WHERE kind = ? ORDER BY start", (kind,))
            numbers.of(pl.Series([name for (text,) in texts for name in json.loads(text)], dtype=pl.String))
            self._named[kind] = len(numbers)
        blocks = self._file.execute("SELECT actions FROM last ORDER BY block")
        stream.last = np.frombuffer(b"".join(block for (block,) in blocks), dtype=np.int64).copy()
        size = len(stream.actions)
        stream.counts = np.zeros((size, size), dtype=np.int64)
        for action, counts in self._file.execute("SELECT action, counts FROM follows"):
            row = np.frombuffer(counts, dtype=np.int64)
            stream.counts[action, : len(row)] = row
        place = self._file.execute("SELECT at FROM place").fetchone()
        return stream, place[0] if place else 0

    def close(self) -> None:
        """Lets go of the file."""
        self._file.close()
