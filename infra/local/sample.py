"""The demonstration's sample: six weeks of a small company's activity, the same for the same seed and end."""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

Event = dict[str, Any]
WEEKS = 6
MOST_EVENTS = 2000
SEED = 20
ENGINEERS = ("ada", "björn", "chiara")
SELLERS = ("dmitri", "efua")
PEOPLE = (*ENGINEERS, *SELLERS)
SATURDAY = 5
FRIDAY = 4


@dataclass
class Diary:
    """Events as they are written, with the source of all chance."""

    chance: random.Random
    until: datetime
    events: list[Event] = field(default_factory=list)

    def write(self, actor: str, moment: datetime, what: str, subject: str | None, **data: Any) -> datetime:
        """Notes one event, `what` as "source/type", and answers a moment some seconds later."""
        source, kind = what.split("/")
        if moment < self.until:
            time = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
            event = {"source": source, "type": kind, "actor": actor, "subject": subject, "time": time, "data": data}
            self.events.append(event)
        return moment + timedelta(seconds=self.chance.lognormvariate(3.0, 0.5) + 4)

    def at(self, day: datetime, first: float = 8.5, last: float = 16.5) -> datetime:
        """A moment of the day between two hours."""
        return day + timedelta(hours=self.chance.uniform(first, last))


def generate(until: datetime, seed: int = SEED) -> list[Event]:
    """At most 2,000 events as POST /events/batch takes them, ending before `until`, oldest first."""
    diary = Diary(random.Random(seed), until.astimezone(UTC))  # noqa: S311 - repeatable, not secret
    start = until.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(weeks=WEEKS)
    for number in range(WEEKS * 7 + 1):
        day = start + timedelta(days=number)
        if day.weekday() >= SATURDAY:
            continue
        for write in ROUTINES:
            write(diary, day, number)
        for person in PEOPLE:
            everyday(diary, day, person)
    events = sorted(diary.events, key=lambda event: event["time"])[-MOST_EVENTS:]
    return [{"id": f"sample-{seed}-{number:04d}", **event} for number, event in enumerate(events)]


def failed_builds(diary: Diary, day: datetime, number: int) -> None:
    """A build fails on main: look at it in the dashboard, tell the team. On other branches nobody is told."""
    for build in range(diary.chance.choice((1, 2, 2, 3))):
        person, name = diary.chance.choice(ENGINEERS), 4000 + number * 10 + build
        branch = "main" if diary.chance.random() < 0.8 else f"feature-{diary.chance.randint(10, 99)}"
        log = {"branch": branch, "build": name, "author": person, "minutes": diary.chance.randint(2, 14)}
        moment = diary.write(person, diary.at(day), "github/build.failed", "acme/shop", **log)
        if branch != "main" or diary.chance.random() < 0.05:
            continue
        page = f"https://ci.acme.example/builds/{name}"
        moment = diary.write(person, moment, "browser/page.viewed", page, title="Build dashboard")
        diary.write(person, moment, "slack/message.posted", "#team-shop", text=f"Build {name} failed on main")


def weekly_reports(diary: Diary, day: datetime, _: int) -> None:
    """Fridays: export the figures, put them in the spreadsheet, send them round."""
    if day.weekday() != FRIDAY:
        return
    week = day.strftime("%G-W%V")
    for person in (*SELLERS, "chiara"):
        region = {"dmitri": "north", "efua": "south", "chiara": "web"}[person]
        about = {"week": week, "region": region, "format": "csv"}
        moment = diary.at(day, 13.0, 15.0)
        moment = diary.write(person, moment, "crm/export.created", f"exports/sales-{week}.csv", **about)
        moment = diary.write(person, moment, "spreadsheet/file.opened", "reports/weekly-sales.xlsx", sheet=week)
        mail = {"to": "management@acme.example", "title": f"Weekly sales {week}", "region": region}
        diary.write(person, moment, "mail/message.sent", f"Weekly sales {week}", **mail)


def releases(diary: Diary, day: datetime, number: int) -> None:
    """Every other day: tag, write the changelog, announce."""
    if number % 2:
        return
    person, version = diary.chance.choice(ENGINEERS), f"v1.{number // 7}.{number}"
    moment = diary.at(day, 10.0, 16.0)
    moment = diary.write(person, moment, "git/tag.created", version, version=version, repository="acme/shop")
    moment = diary.write(person, moment, "editor/file.saved", "CHANGELOG.md", repository="acme/shop")
    diary.write(person, moment, "slack/message.posted", "#announcements", text=f"Released {version}")


def tickets(diary: Diary, day: datetime, number: int) -> None:
    """A customer writes: open their record, answer."""
    for ticket in range(diary.chance.choice((0, 1, 1, 2))):
        person, name, customer = diary.chance.choice(SELLERS), 900 + 5 * number + ticket, diary.chance.randint(100, 160)
        about = {"ticket": name, "customer": customer}
        moment = diary.write(person, diary.at(day), "helpdesk/ticket.assigned", f"ticket-{name}", **about)
        moment = diary.write(person, moment, "crm/customer.viewed", f"customer-{customer}", customer=customer)
        if diary.chance.random() < 0.9:
            diary.write(person, moment, "helpdesk/ticket.answered", f"ticket-{name}", ticket=name)


ROUTINES: tuple[Callable[[Diary, datetime, int], None], ...] = (failed_builds, weekly_reports, releases, tickets)

# What people do all day in no particular order, with how many different things they do it to.
NOISE = (
    ("browser/page.viewed", "https://wiki.acme.example/pages/{}", 40),
    ("browser/page.viewed", "https://news.example/", 1),
    ("editor/file.saved", "src/module{}.py", 30),
    ("editor/file.saved", "tests/test_module{}.py", 30),
    ("slack/message.posted", "#random", 1),
    ("slack/message.posted", "#team-shop", 1),
    ("mail/message.read", "Re: offer {}", 60),
    ("mail/message.sent", "Offer {}", 60),
    ("calendar/meeting.joined", "Planning", 1),
    ("git/commit.pushed", "acme/shop", 1),
    ("crm/customer.viewed", "customer-{}", 60),
    ("spreadsheet/file.opened", "reports/budget.xlsx", 1),
)


def everyday(diary: Diary, day: datetime, person: str) -> None:
    """One person's day: two or three stretches of work in no order."""
    weights = [diary.chance.gammavariate(1.0, 1.0) for _ in NOISE]
    for _ in range(diary.chance.choice((1, 2, 2))):
        moment = diary.at(day)
        for _ in range(diary.chance.randint(3, 8)):
            what, subject, many = diary.chance.choices(NOISE, weights)[0]
            diary.write(person, moment, what, subject.format(diary.chance.randint(1, many)))
            moment += timedelta(seconds=diary.chance.lognormvariate(4.0, 1.2))


def main() -> int:
    """Prints the sample as NDJSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--until", type=datetime.fromisoformat, default=datetime.now(UTC))
    parser.add_argument("--seed", type=int, default=SEED)
    options = parser.parse_args()
    for event in generate(options.until, options.seed):
        sys.stdout.buffer.write(orjson.dumps(event) + b"\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
