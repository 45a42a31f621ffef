"""What a backup says of itself, so that one that is damaged or incomplete is refused instead of restored."""

import hashlib
from pathlib import Path
from typing import Any

MANIFEST = "manifest.json"
Counts = dict[str, int]

_TABLES = """
SELECT format('%I.%I', nspname, relname) FROM pg_class JOIN pg_namespace ON relnamespace = pg_namespace.oid
WHERE relkind = 'r' AND nspname NOT IN ('pg_catalog', 'information_schema') AND nspname NOT LIKE 'pg_toast%'
ORDER BY 1
"""


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below a folder but the manifest, by its path in it."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)
    return {str(path.relative_to(folder)): _digest(path) for path in files}


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


async def count_rows(connection: Any) -> Counts:
    """Rows by table, in the transaction of a superuser's connection."""
    tables = [row[0] for row in await connection.fetch(_TABLES)]
    return {table: await connection.fetchval(f"SELECT count(*) FROM {table}") for table in tables}  # noqa: S608  # quoted by format()


def differing_files(folder: Path, manifest: dict[str, Any]) -> list[str]:
    """Files that are not as they were written, are missing, or are there without having been written."""
    return _differing(manifest["sha256"], digests(folder))


def differing_tables(found: Counts, written: Counts) -> list[str]:
    """Tables whose rows are not as many as when the backup was written."""
    return _differing(written, found)


def _differing(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
