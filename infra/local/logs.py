"""Shows the logs of the stack's processes, the last lines first and then, when asked, whatever follows."""

import sys
import time
from pathlib import Path

POLL_SECONDS = 0.2


def show(folder: Path, names: list[str], *, lines: int, follow: bool) -> int:
    """Print the end of each log that `names` match (all without names), each line with its process."""
    chosen = _choose(folder, names)
    if not chosen:
        known = ", ".join(path.stem for path in sorted(folder.glob("*.log"))) or "none yet"
        print(f"No log of {' or '.join(names) or 'any process'} in {folder}. There are: {known}", file=sys.stderr)
        return 1
    positions = {path: _print_end(path, lines) for path in chosen}
    try:
        while follow:
            time.sleep(POLL_SECONDS)
            for path in _choose(folder, names):
                positions[path] = _print_from(path, positions.get(path, 0))
    except KeyboardInterrupt:
        pass
    return 0


def _choose(folder: Path, names: list[str]) -> list[Path]:
    """Logs of the instances, or of all instances of a name."""
    return [path for path in sorted(folder.glob("*.log"))
            if not names or path.stem in names or path.stem.rpartition("-")[0] in names]  # fmt: skip


def _print_end(path: Path, lines: int) -> int:
    data = path.read_bytes()
    _print(path, data.splitlines()[-lines:] if lines else [])
    return len(data)


def _print_from(path: Path, position: int) -> int:
    if path.stat().st_size < position:
        position = 0
    with path.open("rb") as file:
        file.seek(position)
        data = file.read()
    whole = data[: data.rfind(b"\n") + 1]
    _print(path, whole.splitlines())
    return position + len(whole)


def _print(path: Path, lines: list[bytes]) -> None:
    for line in lines:
        print(f"{path.stem:<22} {line.decode(errors='replace')}", flush=True)
