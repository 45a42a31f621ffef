"""Looks for secrets in every file that git knows: `python -m infra.local.secretscan` ends with 1 when it finds one.

detect-secrets does the looking. Tests hold made-up passwords, so that there only what has the form of a real credential
counts: private keys and tokens of known providers. A false alarm is answered in its line: `pragma: allowlist secret`.
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
from detect_secrets.core.scan import scan_file
from detect_secrets.settings import default_settings, transient_settings

from infra.local.home import ROOT

GUESSING = {"Base64HighEntropyString", "HexHighEntropyString", "KeywordDetector", "BasicAuthDetector"}
# Hashes of packages, what generators write, and texts of other houses.
SKIPPED = (".lock", ".json", ".sql", ".svg", ".png", ".csv", ".ndjson", ".jsonl", ".gz")


def findings(paths: list[str]) -> Iterator[str]:
    """A line for each: file, line and kind, never the secret."""
    tests = [path for path in paths if path.startswith("tests/")]
    with default_settings():
        yield from _scan([path for path in paths if path not in tests])
    with transient_settings({"plugins_used": _plugins()}):
        yield from _scan(tests)


def _scan(paths: list[str]) -> Iterator[str]:
    for path in paths:
        for found in scan_file(str(ROOT / path)):
            yield f"{path}:{found.line_number}: {found.type}"


def _plugins() -> list[dict[str, str]]:
    with default_settings():
        kinds: list[type] = list(get_mapping_from_secret_type_to_class().values())
    return [{"name": name} for name in sorted({kind.__name__ for kind in kinds} - GUESSING)]


def tracked() -> list[str]:
    """Every text file that git knows or would add."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    return [name for name in listed if name and not name.endswith(SKIPPED) and Path(ROOT, name).is_file()]


def main() -> int:
    """Prints what was found; returns the exit status."""
    found = list(findings(tracked()))
    for line in found:
        print(line, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
