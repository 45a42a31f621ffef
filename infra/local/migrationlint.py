"""Refuses what a migration must not do to a table that may be large: hold a lock for long, or write it all anew.

A statement is free to do anything to a table that its own revision creates. To any other table it needs a written
reason in the revision, such as `# locks hook: holds a row for each inbound address, some hundreds` (or `# rewrites …`).
`python -m infra.local.migrationlint` prints a sentence for each fault.
"""

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from infra.local.home import ROOT

LARGE_REASON = 20
_NAME = r'"?(?:ONLY\s+)?(?:IF\s+EXISTS\s+)?"?(?:public\.)?([\w{}]+)"?'
_CREATED = re.compile(rf"CREATE\s+(?:UNLOGGED\s+)?TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?{_NAME}", re.IGNORECASE)
_REASON = re.compile(r"#\s*(?:locks|rewrites) (\S+): (.+)")
_VOLATILE = r"(?!now\(\)|current_timestamp|clock_timestamp\(\)::text)\w+\("
_ALTER = rf"ALTER\s+TABLE\s+{_NAME}[^;]*"
_ADD = r"ADD\s+(?:CONSTRAINT\s+\w+\s+)?"
_COMPUTED = rf"(?:DEFAULT\s+{_VOLATILE}|GENERATED\s+ALWAYS\s+AS\s+\(|\b(?:BIG)?SERIAL\b)"
# What it does, and what does so: each pattern names the table in its first group.
_RULES = (
    ("builds an index while nobody may write; use CONCURRENTLY in an autocommit block",
     rf"CREATE\s+(?:UNIQUE\s+)?INDEX\s+(?!CONCURRENTLY)(?:[\w{{}}]+\s+)?ON\s+{_NAME}"),
    ("writes every row anew to change a type", rf"{_ALTER}ALTER\s+(?:COLUMN\s+)?\w+\s+(?:SET\s+DATA\s+)?TYPE"),
    ("writes every row anew to compute a default", rf"{_ALTER}ADD\s+COLUMN[^;,]*{_COMPUTED}"),
    ("reads every row under an exclusive lock; add the constraint NOT VALID and validate it afterwards",
     rf"{_ALTER}{_ADD}(?:FOREIGN\s+KEY|CHECK)(?![^;]*NOT\s+VALID)"),
    ("builds an index under an exclusive lock; build it CONCURRENTLY and add the key USING INDEX",
     rf"{_ALTER}{_ADD}(?:PRIMARY\s+KEY|UNIQUE)(?!\s+USING)"),
    ("reads every row under an exclusive lock to refuse NULL", rf"{_ALTER}SET\s+NOT\s+NULL"),
    ("reads every row under a lock to attach a partition", rf"{_ALTER}ATTACH\s+PARTITION"),
    ("writes the whole table anew under an exclusive lock",
     rf"(?:VACUUM\s+FULL|CLUSTER|REINDEX\s+TABLE(?!\s+CONCURRENTLY))\s+{_NAME}"),
    ("locks the table by hand", rf"LOCK\s+TABLE\s+{_NAME}"),
    ("changes rows in one long transaction; do it in batches", rf"UPDATE\s+{_NAME}\s+SET"),
)  # fmt: skip
_COMPILED = [(sentence, re.compile(pattern, re.IGNORECASE | re.DOTALL)) for sentence, pattern in _RULES]
_WAITS = re.compile(r"SET\s+(?:LOCAL\s+)?lock_timeout\s*(?:=|TO)\s*'?0", re.IGNORECASE)
# alembic's own operations, by what they would do; the table is the argument of this position.
_OPERATIONS = {
    "create_foreign_key": 1,
    "create_check_constraint": 1,
    "create_unique_constraint": 1,
    "create_primary_key": 1,
    "create_index": 1,
    "alter_column": 0,
}


@dataclass(frozen=True)
class Revision:
    """One file: where it stands, what it runs on the way up, what it creates, and its written reasons by table."""

    path: Path
    text: str

    def faults(self) -> Iterator[str]:
        """A sentence each."""
        tree = ast.parse(self.text)
        statements = list(_strings(tree))
        new = {match[1] for text in statements for match in _CREATED.finditer(text)} | set(_made(tree))
        reasons = {match[1]: match[2].strip() for match in _REASON.finditer(self.text)}
        for table, why in [*_found(statements), *_operations(tree)]:
            reason = reasons.get(table, "")
            if table not in new and len(reason) < LARGE_REASON:
                yield f"{self.path.name}: {table}: {why}, or write `# locks {table}: why it may`"
        if any(_WAITS.search(text) for text in statements):
            yield f"{self.path.name}: waits for locks without end; leave lock_timeout alone"


def _strings(tree: ast.Module) -> Iterator[str]:
    """Every text of the module but docstrings and what only a downgrade runs; an f-string's holes read `{}`."""
    body = [node for node in tree.body if not (isinstance(node, ast.FunctionDef) and node.name == "downgrade")]
    skipped = set()
    for node in (inner for outer in body for inner in ast.walk(outer)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            skipped.add(node.value)
        if isinstance(node, ast.JoinedStr):
            skipped.update(part for part in node.values if isinstance(part, ast.Constant))
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in skipped:
            yield node.value


def _found(statements: list[str]) -> Iterator[tuple[str, str]]:
    for text in (re.sub(r"--[^\n]*", "", text) for text in statements):
        for sentence, pattern in _COMPILED:
            yield from ((match[1], sentence) for match in pattern.finditer(text))


def _made(tree: ast.Module) -> Iterator[str]:
    for call, name in _calls(tree):
        if name == "create_table" and call.args and isinstance(call.args[0], ast.Constant):
            yield str(call.args[0].value)


def _operations(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for call, name in _calls(tree):
        place = _OPERATIONS.get(name)
        if place is None or len(call.args) <= place:
            continue
        given = {keyword.arg for keyword in call.keywords}
        if name == "alter_column" and not given & {"type_", "nullable"}:
            continue
        if "postgresql_concurrently" in given or "postgresql_not_valid" in given:
            continue
        table = call.args[place]
        yield (str(table.value) if isinstance(table, ast.Constant) else "{}"), f"op.{name} locks or rewrites it"


def _calls(tree: ast.Module) -> Iterator[tuple[ast.Call, str]]:
    body = [node for node in tree.body if not (isinstance(node, ast.FunctionDef) and node.name == "downgrade")]
    for node in (inner for outer in body for inner in ast.walk(outer)):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        if isinstance(node.func.value, ast.Name) and node.func.value.id in {"op", "batch"}:
            yield node, node.func.attr


def revisions() -> list[Revision]:
    """Every revision of every service."""
    paths = sorted((ROOT / "services").glob("*/migrations/versions/*.py"))
    return [Revision(path.relative_to(ROOT), path.read_text()) for path in paths]


def main() -> int:
    """Prints the faults; returns the exit status."""
    faults = [f"{revision.path.parts[1]}: {fault}" for revision in revisions() for fault in revision.faults()]
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
