"""The command line of the local stack: `python -m infra.local up | down | status | logs | scale | restart | …`."""

import argparse
import json
import sys
from typing import Any

from infra.local import client, logs
from infra.local.home import Home, from_environment, gateway_port

NOT_RUNNING = 3
INTERRUPTED = 130


def main(arguments: list[str]) -> int:
    """Run one command; returns the exit status."""
    options = _parser().parse_args(arguments)
    home = from_environment()
    try:
        status: int = options.run(home, options)
    except client.NotRunning:
        print(f"Floyo is not running in {home.folder}. Start it: ./taskw up", file=sys.stderr)
        return NOT_RUNNING
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return INTERRUPTED
    return status


def up(home: Home, options: argparse.Namespace) -> int:
    """Start the stack in the background and return once it is ready."""
    port = gateway_port()
    counts = _counts(options.scale)
    try:
        result = client.ask(home, {"command": "up"}, lambda _: None)
        _say(f"Floyo is already running in {home.folder}.")
    except client.NotRunning:
        if not client.wait_unlocked(home, 60):
            _say(f"Another `up` or `down` in {home.folder} does not come to an end.")
            return 1
        _say(f"Starting Floyo in {home.folder}, gateway on port {port} …")
        result = client.start(home, counts, _say)
    if result["refused"]:
        client.wait_unlocked(home, 30)
    return _report(result, as_json=options.json)


def down(home: Home, _options: argparse.Namespace) -> int:
    """Stop the stack, gracefully, leaving its data."""
    try:
        client.ask(home, {"command": "down"}, _say)
    except client.NotRunning:
        if not client.locked(home):
            _say(f"Floyo is not running in {home.folder}.")
            return 0
    return 0 if client.wait_unlocked(home, 60) else 1


def status(home: Home, options: argparse.Namespace) -> int:
    """Show every process."""
    try:
        result = client.ask(home, {"command": "status"}, _say)
    except client.NotRunning:
        if not options.json:
            raise
        print(json.dumps({"gateway": None, "processes": [], "mail": str(home.mail), "home": str(home.folder)}))
        return NOT_RUNNING
    return _report(result, as_json=options.json)


def scale(home: Home, options: argparse.Namespace) -> int:
    """Have as many processes of each name."""
    counts = _counts(options.counts)
    return _report(client.ask(home, {"command": "scale", "counts": counts}, _say), as_json=options.json)


def restart(home: Home, options: argparse.Namespace) -> int:
    """Restart processes, one after the other."""
    return _report(client.ask(home, {"command": "restart", "names": options.names}, _say), as_json=False)


def stop(home: Home, options: argparse.Namespace) -> int:
    """Stop single processes and leave them stopped, as an outage does."""
    return _report(client.ask(home, {"command": "stop", "names": options.names}, _say), as_json=False)


def start(home: Home, options: argparse.Namespace) -> int:
    """Start stopped processes again."""
    return _report(client.ask(home, {"command": "start", "names": options.names}, _say), as_json=False)


def show_logs(home: Home, options: argparse.Namespace) -> int:
    """Print what processes have written."""
    return logs.show(home.logs, options.names, lines=options.lines, follow=options.follow)


def _counts(pairs: list[str]) -> dict[str, int]:
    counts = {}
    for pair in pairs:
        name, _, number = pair.partition("=")
        if not name or not number.isdigit():
            raise ValueError(f"{pair!r} does not say how many of what; write for example: events=2 workflows-worker=4")
        counts[name] = int(number)
    return counts


def _report(result: dict[str, Any], *, as_json: bool) -> int:
    for problem in result["problems"]:
        _say(problem)
    if as_json and "status" in result:
        print(json.dumps(result["status"]))
    elif "status" in result and not result.get("refused"):
        _print_table(result["status"])
    return 1 if result["problems"] else 0


def _print_table(described: dict[str, Any]) -> None:
    print(f"{'process':<24}{'state':<12}{'pid':>8}{'public':>8}{'internal':>10}{'restarts':>10}")
    for process in described["processes"]:
        cells = [process[key] if process[key] is not None else "-" for key in ("pid", "public_port", "internal_port")]
        print(f"{process['instance']:<24}{process['state']:<12}{cells[0]:>8}{cells[1]:>8}{cells[2]:>10}"
              f"{process['restarts']:>10}")  # fmt: skip
    print(f"gateway  {described['gateway']}\nmail     {described['mail']}\nhome     {described['home']}")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="./taskw", description="The local stack.")
    commands = parser.add_subparsers(required=True)
    for run in (up, down, status, scale, restart, stop, start):
        command = commands.add_parser(run.__name__, help=run.__doc__)
        command.set_defaults(run=run)
        if run in (up, status, scale):
            command.add_argument("--json", action="store_true", help="print the processes as one JSON object")
        if run is up:
            command.add_argument("--scale", nargs="+", default=[], metavar="NAME=COUNT", help="how many to start with")
        if run is scale:
            command.add_argument("counts", nargs="+", metavar="NAME=COUNT")
        if run in (restart, stop, start):
            command.add_argument("names", nargs="+", metavar="NAME")
    command = commands.add_parser("logs", help=show_logs.__doc__)
    command.set_defaults(run=show_logs)
    command.add_argument("-f", "--follow", action="store_true", help="go on as more is written")
    command.add_argument("-n", "--lines", type=int, default=40, help="how many lines of each (40)")
    command.add_argument("names", nargs="*", metavar="NAME")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
