"""`python -m tests.bench [NAME [ARGUMENTS]]`: one bench with its arguments, or all of them one after the other.

Each is a module of this package with `main`, runs our path, its limit and its peers side by side, and ends with one
JSON line; the exit status is 0 when every target was met. Targets of time are stretched by `machine`, which says how
much slower this machine is than the one they were set on.
"""

import ast
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent


def names() -> list[str]:
    """Every bench: the modules that offer `main() -> int`."""
    return sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "__main__" and _offers_main(path))


def _offers_main(path: Path) -> bool:
    functions = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)]
    return any(node.name == "main" and ast.unparse(node.returns or ast.Constant(None)) == "int" for node in functions)


def main(arguments: list[str]) -> int:
    """Runs them; returns the exit status."""
    if arguments and arguments[0] not in names():
        sys.stderr.write(f"There is no bench {arguments[0]}; there are: {', '.join(names())}\n")
        return 2
    chosen = arguments[:1] or names()
    commands = [[sys.executable, "-m", f"tests.bench.{name}", *arguments[1:]] for name in chosen]
    return max(subprocess.run(command, check=False).returncode for command in commands)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
