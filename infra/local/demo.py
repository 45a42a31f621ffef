"""The main job in one command: start, load activity, mine, apply the best suggestion, fire it, show the run."""

import argparse
import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from typing import Any

import httpx2
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn
from rich.table import Table

from client import importers
from infra.local import sample
from infra.local.home import gateway_port

BATCH = 500
WAIT_SECONDS = 60
FIRINGS = 5
PATIENCE = 20
FINAL = {"succeeded", "failed", "cancelled"}


class DemoError(Exception):
    """The demo cannot go on, and the sentence says why."""


class Api:
    """The public API as any client sees it, through the gateway."""

    def __init__(self, base: str) -> None:
        self._http = httpx2.Client(base_url=f"{base}/api/v1", timeout=30, trust_env=False)

    def call(self, method: str, path: str, **options: Any) -> Any:
        """The decoded answer; raises DemoError with the problem's own words.

        The gateway of a busy machine sees late that everybody is there: a 503, which did nothing, is asked again.
        """
        for _ in range(PATIENCE):
            answer = self._http.request(method, path, **options)
            if answer.status_code != httpx2.codes.SERVICE_UNAVAILABLE:
                break
            time.sleep(0.5)
        if answer.is_error:
            problem = answer.json() if "json" in answer.headers.get("content-type", "") else {}
            raise DemoError(f"{method} {path}: {answer.status_code} {problem.get('detail', answer.text)}")
        return answer.json() if answer.content else None

    def sign_in(self) -> str:
        """Registers somebody new, whose organisation is empty, and returns the address."""
        email = f"demo-{int(time.time() * 1000)}@example.com"
        password = f"demo {os.urandom(12).hex()}"
        self.call("POST", "/auth/register", json={"email": email, "password": password, "name": "Demo"})
        pair = self.call("POST", "/auth/login", json={"email": email, "password": password})
        self._http.headers["Authorization"] = f"Bearer {pair['access_token']}"
        return email


class Story:
    """Tells what happens: to people as it happens, to machines not at all."""

    def __init__(self, *, quiet: bool) -> None:
        self.console = Console(quiet=quiet, highlight=False)
        self._number = 0

    def chapter(self, text: str) -> None:
        """A numbered step."""
        self._number += 1
        self.console.print(f"\n[bold cyan]{self._number}.[/] [bold]{text}[/]")

    def line(self, text: str) -> None:
        """A detail of the step."""
        self.console.print(f"   {text}")

    def progress(self) -> Progress:
        """A bar for long work."""
        return Progress(SpinnerColumn(), TextColumn("   {task.description}"), console=self.console, transient=True)


def main(arguments: list[str]) -> int:
    """The command line; the last line of `--json` is the summary."""
    parser = argparse.ArgumentParser(prog="./taskw demo --", description=__doc__)
    parser.add_argument(
        "--data", metavar="FILE", help="a git repository, a shell history or a CSV instead of the sample"
    )
    parser.add_argument("--json", action="store_true", help="nothing but the summary, as one JSON line")
    options = parser.parse_args(arguments)
    story = Story(quiet=options.json)
    try:
        summary = tell(story, options.data)
    except (DemoError, httpx2.HTTPError) as error:
        print(f"The demo stopped: {error}", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps({"demo": summary}))
    return 0 if summary["run_status"] == "succeeded" else 1


def tell(story: Story, data: str | None) -> dict[str, Any]:
    """The whole demo; returns {events, patterns, suggestion, run_status, seconds}."""
    started = time.monotonic()
    base = start_stack(story)
    api = Api(base)
    email = api.sign_in()
    story.line(f"Signed in as {email}, with an organisation of its own.")
    accepted = load(api, story, data)
    patterns, best = mine(api, story)
    run = apply_and_fire(api, story, best)
    show_run(story, run)
    seconds = round(time.monotonic() - started, 1)
    farewell(story, base, seconds)
    return {
        "events": accepted,
        "patterns": patterns,
        "suggestion": best["title"],
        "run_status": run["status"],
        "seconds": seconds,
    }


def start_stack(story: Story) -> str:
    """Brings the local stack up unless it is; returns the gateway's address."""
    story.chapter("Starting Floyo: PostgreSQL, Valkey, Traefik, four services and their workers")
    command = [sys.executable, "-m", "infra.local", "up", "--json"]
    result = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if result.returncode:
        raise DemoError("the stack did not start; the lines above say why")
    status = json.loads(result.stdout.splitlines()[-1])
    story.line(f"{len(status['processes'])} processes are ready behind {status['gateway']}")
    gateway: str = status["gateway"] or f"http://127.0.0.1:{gateway_port()}"
    return gateway


def load(api: Api, story: Story, data: str | None) -> int:
    """Posts the activity in batches; returns how much was accepted."""
    story.chapter(f"Recording activity: {data or 'six weeks of a small team, with routines hidden in noise'}")
    events = read_activity(data)
    accepted = rejected = 0
    with story.progress() as progress:
        task = progress.add_task(f"0 of {len(events)} events", total=len(events))
        for start in range(0, len(events), BATCH):
            batch = events[start : start + BATCH]
            answer = api.call("POST", "/events/batch", json=batch)
            accepted += answer["accepted"]
            rejected += len(answer["rejected"])
            progress.update(task, advance=len(batch), description=f"{accepted} of {len(events)} events")
    story.line(f"{accepted} events are durable" + (f", {rejected} were rejected" if rejected else ""))
    if not accepted:
        raise DemoError("nothing could be recorded from there")
    return accepted


def read_activity(data: str | None) -> list[dict[str, Any]]:
    """The bundled sample, or what the importers find at a path."""
    if data is None:
        return list(sample.generate(until=datetime.now(UTC)))
    try:
        return list(importers.open_source(data))
    except (OSError, ValueError) as error:
        raise DemoError(f"{data}: {error}") from None


def mine(api: Api, story: Story) -> tuple[int, dict[str, Any]]:
    """Mines, and returns how many patterns there are and the best suggestion."""
    story.chapter("Looking for what repeats more often than chance explains")
    job = api.call("POST", "/patterns/mine")["job_id"]
    with story.progress() as progress:
        progress.add_task("mining …", total=None)
        status = wait_for(lambda: api.call("GET", f"/events/jobs/{job}"), {"succeeded", "failed"}, "mining")
    if status["status"] == "failed":
        raise DemoError(f"mining failed: {status['error']}")
    patterns = api.call("GET", "/patterns", params={"limit": 200})["items"]
    suggestions = api.call("GET", "/suggestions", params={"limit": 200})["items"]
    story.line(f"{len(patterns)} patterns, {len(suggestions)} suggestions")
    if not suggestions:
        raise DemoError("no routine repeats often enough yet: at least 5 times on 3 days is needed")
    able = [item for item in suggestions if item["workflow"]["trigger"]["type"] == "event"]
    if not able:
        raise DemoError("what repeats here repeats by the clock, and the demo cannot wait for that")
    best = max(able, key=lambda item: item["confidence"] * item["minutes_per_week"])
    show_suggestion(story, best)
    return len(patterns), best


def show_suggestion(story: Story, best: dict[str, Any]) -> None:
    """The suggestion as a newcomer wants to read it."""
    story.chapter(f"The best suggestion: {best['title']}")
    story.line(best["reasoning"])
    story.line(
        f"Confidence {best['confidence']:.0%}, about {best['minutes_per_week']:.0f} minutes a week (an estimate)."
    )
    story.line(f"Evidence: {len(best['evidence'])} events, such as {best['evidence'][0]}")
    test = best["backtest"]
    story.line(
        f"Replayed on the last 30 % of history: it would have fired {test['would_have_fired']} times, "
        f"{test['matched']} right, {test['wrong']} wrong, {test['missed']} missed."
    )


def apply_and_fire(api: Api, story: Story, best: dict[str, Any]) -> dict[str, Any]:
    """Turns the suggestion into an active workflow, posts its triggering event anew, and waits for the run."""
    story.chapter("Applying it: the suggestion becomes a workflow, and a dry run shows what it will do")
    applied = api.call("POST", f"/suggestions/{best['id']}/apply")
    workflow = applied["workflow_id"]
    rehearsal = wait_for(lambda: api.call("GET", f"/runs/{applied['dry_run_id']}"), FINAL, "the dry run")
    story.line(f"The dry run {rehearsal['status']} and touched nothing outside. Now it is switched on.")
    for item in applied["missing"]:
        story.line(item["detail"])
    api.call("POST", f"/workflows/{workflow}/activate")
    example = api.call("GET", f"/events/{best['evidence'][0]}")
    story.chapter(f"It happens again: {example['source']} reports {example['type']}")
    run = fire(api, workflow, example)
    story.line("Nobody does anything by hand this time.")
    return wait_for(lambda: api.call("GET", f"/runs/{run}"), FINAL, "the run")


def fire(api: Api, workflow: str, example: dict[str, Any]) -> str:
    """Posts the triggering event anew until its run exists: a fresh subscription takes a moment to reach events."""
    for attempt in range(FIRINGS):
        moment = datetime.now(UTC).isoformat()
        event = {name: example[name] for name in ("source", "type", "actor", "subject", "data")}
        api.call("POST", "/events", json={**event, "id": f"demo-{time.time_ns()}-{attempt}", "time": moment})
        for _ in range(20):
            runs = api.call("GET", "/runs", params={"workflow_id": workflow})["items"]
            real = [run for run in runs if not run["dry_run"]]
            if real:
                return str(real[0]["id"])
            time.sleep(0.1)
    raise DemoError("the event did not start a run")


def wait_for(look: Any, final: set[str], what: str) -> dict[str, Any]:
    """Looks until the status is final; raises DemoError after a minute."""
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        found: dict[str, Any] = look()
        if found["status"] in final:
            return found
        time.sleep(0.1)
    raise DemoError(f"{what} did not end within {WAIT_SECONDS} s")


def show_run(story: Story, run: dict[str, Any]) -> None:
    """Each step with its output."""
    story.chapter(f"The run {run['status']}")
    table = Table("step", "type", "status", "output", box=None, padding=(0, 2))
    for step in run["steps"]:
        table.add_row(step["id"], step["type"], step["status"], json.dumps(step["output"], ensure_ascii=False)[:200])
    story.console.print(table)
    if run.get("error"):
        story.line(f"Error: {run['error']}")


def farewell(story: Story, base: str, seconds: float) -> None:
    """Addresses, and what to try next."""
    story.chapter(f"Done in {seconds} s. The stack is still up:")
    story.line(f"{base}/docs shows the whole API")
    story.line("./taskw status shows the processes; kill one and look again")
    story.line("./taskw demo -- --data PATH does the same with your git repository, shell history or CSV")
    story.line("./taskw floyo -- --help is the command-line client")
    story.line("./taskw down stops everything; the data stays")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
