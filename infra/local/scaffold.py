"""Begins a connector or a step type: the file and its test, which passes at once and is then made true."""

import argparse
import keyword
import re
import sys
from pathlib import Path
from string import Template

from infra.local.home import ROOT

TEMPLATES = ROOT / "infra" / "templates"
_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_LONGEST = 40
_PLACES = {
    "connector": {
        "connector.py.template": "services/integrations/connectors/{name}.py",
        "test_connector.py.template": "tests/integrations/connectors/test_{name}.py",
    },
    "step": {
        "step.py.template": "services/workflows/steps/{name}.py",
        "test_step.py.template": "tests/workflows/steps/test_{name}.py",
    },
}


class Refused(Exception):
    """The name cannot be used; the sentence says why."""


def write(kind: str, name: str, title: str | None = None, root: Path = ROOT) -> list[Path]:
    """Write the files of a new connector or step; answers their paths. Raises Refused and then writes nothing."""
    _check(name)
    values = {
        "name": name,
        "title": (title or name.replace("_", " ").title()).replace("\\", "").replace('"', "'"),
        "camel": "".join(part.capitalize() for part in name.split("_")),
    }
    contents = {
        root / place.format(name=name): Template((TEMPLATES / template).read_text()).substitute(values)
        for template, place in _PLACES[kind].items()
    }
    for path in contents:
        if path.exists():
            raise Refused(f"{path.relative_to(root)} exists.")
    for path, content in contents.items():
        path.write_text(content)
    return list(contents)


def _check(name: str) -> None:
    if not _NAME.fullmatch(name) or len(name) > _LONGEST:
        raise Refused(f"{name!r} is no name: lower-case words joined by _, such as google_drive.")
    if keyword.iskeyword(name):
        raise Refused(f"{name!r} means something else in Python.")


def main(arguments: list[str]) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="./taskw new:connector|new:step --", description=__doc__)
    parser.add_argument("kind", choices=sorted(_PLACES), help=argparse.SUPPRESS)
    parser.add_argument("name", help="such as google_drive; also the id")
    parser.add_argument("--title", help="as people write it, such as Google Drive")
    options = parser.parse_args(arguments)
    try:
        paths = [path.relative_to(ROOT) for path in write(options.kind, options.name, options.title)]
    except Refused as error:
        print(error, file=sys.stderr)
        return 1
    for path in paths:
        print(path)
    print(f"Try it: .venv/bin/pytest -q {paths[-1]}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
