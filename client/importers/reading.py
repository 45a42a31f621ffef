"""Opens sources as text: plain or gzip, UTF-8 or UTF-16, with or without a byte order mark."""

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TextIO, cast

from client.importers.drafts import Unreadable

_GZIP = b"\x1f\x8b"


@contextmanager
def open_bytes(path: Path) -> Iterator[BinaryIO]:
    """The bytes of a file, unpacked; raises Unreadable, also when reading on finds the archive broken."""
    try:
        with path.open("rb") as file:
            packed = file.read(2) == _GZIP
            file.seek(0)
            if packed:
                with gzip.open(file) as unpacked:
                    yield cast(BinaryIO, unpacked)
            else:
                yield file
    except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
        raise Unreadable(f"{path} cannot be read: {error.strerror}.") from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise Unreadable(f"{path} is not a sound gzip file: {error}.") from None


@contextmanager
def open_text(path: Path) -> Iterator[TextIO]:
    """The text of a file; bytes that are no UTF-8 become replacement characters."""
    with open_bytes(path) as raw:
        buffered = io.BufferedReader(cast(io.RawIOBase, raw), 1 << 16)
        start = buffered.peek(4)[:4]
        wide = start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        encoding = "utf-16" if wide else "utf-8-sig"
        yield io.TextIOWrapper(buffered, encoding=encoding, errors="replace", newline="")


def head(path: Path, size: int = 1 << 16) -> str:
    """The beginning of a file's text, to tell what it is."""
    with open_text(path) as text:
        return text.read(size)
