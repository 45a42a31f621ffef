"""XES logs and exports of ActivityWatch: streamed, the same again, and harmless."""

import gzip
import json
import random
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from client import cli
from client.importers import activitywatch, detect, drafts, open_source, xes
from client.importers.drafts import Fault, Unreadable

SECRET = "hunter2" + "xyz"
HEAD = '<?xml version="1.0"?>\n<log xmlns="http://www.xes-standard.org/">'
EVENT = (
    '<event><string key="concept:name" value="{name}"/><string key="org:resource" value="pete"/>'
    '<date key="time:timestamp" value="2010-12-30T14:{minute:02}:00.000+01:00"/>'
    '<string key="lifecycle:transition" value="{state}"/>'
    '<list key="x"><string key="concept:name" value="not this"/></list></event>'
)


def log(*traces: tuple[str, list[tuple[str, str]]]) -> str:
    parts = [HEAD, '<global scope="event"><string key="concept:name" value="UNKNOWN"/></global>']
    for case, events in traces:
        parts.append(f'<trace><string key="concept:name" value="{case}"/>')
        parts += [EVENT.format(name=name, minute=place, state=state) for place, (name, state) in enumerate(events)]
        parts.append("</trace>")
    return "".join([*parts, "</log>"])


def test_a_log_is_read_case_by_case(tmp_path: Path) -> None:
    path = tmp_path / "loans.xes.gz"
    text = log(("7", [("ask", "COMPLETE"), ("decide", "START"), ("decide", "COMPLETE")]), ("8", [("ask", "COMPLETE")]))
    path.write_bytes(gzip.compress(text.encode()))
    assert detect(path) == "xes"
    events = list(open_source(path))
    assert [(event["type"], event["subject"]) for event in events] == [
        ("ask", "7"), ("decide.start", "7"), ("decide", "7"), ("ask", "8"),
    ]  # fmt: skip
    first = events[0]
    assert (first["source"], first["actor"], first["time"]) == ("loans", "pete", "2010-12-30T13:00:00+00:00")
    assert first["data"]["case"] == "7"
    assert len({event["id"] for event in events}) == 4
    assert [event["id"] for event in open_source(path)] == [event["id"] for event in events]


@pytest.mark.parametrize("seed", range(20))
def test_the_short_way_writes_what_the_long_one_would(seed: int) -> None:
    chance = random.Random(seed)
    texts = ("", "A", "ünïcode \u2028", "tab\tend", f"--password {SECRET}", "x" * 5_000, '"quoted"', "\ue000case ", "7")
    for _ in range(200):
        case = {"concept:name": chance.choice(texts)}
        names = ["concept:name", "org:resource", "lifecycle:transition", "cost", "password", "case"]
        attributes = {name: chance.choice(texts) for name in names if chance.random() < 0.7}
        attributes |= {"concept:name": "step", "time:timestamp": "2010-12-30T14:02:00.000+01:00"}
        event, written = xes._event("log", case, attributes, None)
        assert written == drafts.content(event)
        assert drafts.event(**_arguments(event)) == event
        assert SECRET not in json.dumps(event)


def _arguments(event: dict[str, Any]) -> dict[str, Any]:
    return {name: event.get(name) for name in ("source", "type", "time", "actor", "subject", "data")}


def test_secrets_in_names_are_masked_and_hashed_people_stay_apart() -> None:
    told = {"concept:name": f"login --password {SECRET}", "time:timestamp": "2010-12-30T14:02:00Z"}
    people = [f"pete --password {SECRET}", "9e107d9d" * 4, ""]
    events = [xes._event("log", {}, {**told, "org:resource": who}, "ann")[0] for who in people]
    assert SECRET not in json.dumps(events)
    assert [event["actor"] for event in events[1:]] == [people[1], "ann"]


ENTITIES = """<!DOCTYPE log [<!ENTITY a "{}">{}]>""".format(
    "x" * 1_000, "".join(f'<!ENTITY a{n} "&a{n - 1 if n else ""};&a{n - 1 if n else ""};">' for n in range(30))
)


@pytest.mark.parametrize(
    "text",
    [
        f'{ENTITIES}<log><trace><event><string key="concept:name" value="&a29;"/></event></trace></log>',
        '<!DOCTYPE log SYSTEM "file:///etc/passwd"><log/>',
        '<!DOCTYPE log [<!ENTITY x SYSTEM "file:///etc/passwd">]><log>&x;</log>',
        '<!DOCTYPE log [<!ENTITY % x SYSTEM "http://127.0.0.1:1/">%x;]><log/>',
        "<log>" + "<trace>" * 200,
        "<log><trace>",
        "<html><log/></html>",
        "<log/><log/>",
    ],
)
def test_documents_that_declare_climb_or_break_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bad.xes"
    path.write_text(text)
    with pytest.raises(Unreadable):
        list(xes.read(path))


def test_events_that_are_none_are_told(tmp_path: Path) -> None:
    path = tmp_path / "odd.xes"
    nameless = '<event><date key="time:timestamp" value="2010-12-30T14:00:00Z"/></event>'
    timeless = '<event><string key="concept:name" value="a"/></event>'
    wrong = '<event><string key="concept:name" value="a"/><date key="time:timestamp" value="soon"/></event>'
    path.write_text(f"<log><trace>{nameless}{timeless}{wrong}</trace></log>")
    faults: list[Fault] = []
    assert list(xes.read(path, report=faults.append)) == []
    assert [fault.place for fault in faults] == ["event 1", "event 2", "event 3"]


def test_memory_does_not_grow_with_the_log(tmp_path: Path) -> None:
    path = tmp_path / "long.xes"
    with path.open("w") as file:
        file.write(HEAD)
        for case in range(4_000):
            events = "".join(EVENT.format(name=f"step{n}", minute=n, state="complete") for n in range(5))
            file.write(f'<trace><string key="concept:name" value="{case}"/>{events}</trace>')
        file.write("</log>")
    assert path.stat().st_size > 5_000_000
    tracemalloc.start()
    count = sum(1 for _ in xes.read(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 20_000
    assert peak < 8_000_000


def bucket(kind: str, *entries: dict[str, Any], first: bool = False) -> dict[str, Any]:
    events = [
        {"id": number, "timestamp": f"2026-03-02T08:0{number}:00.5+00:00", "duration": 7.5, "data": data}
        for number, data in enumerate(entries)
    ]
    told = {"type": kind, "client": "aw", "hostname": "laptop", "metadata": {"a": [1, {"b": None}]}}
    return {"events": events, **told} if first else {**told, "events": events}


EXPORT = {
    "version": 1,
    "buckets": {
        "aw-watcher-window_laptop": bucket("currentwindow", {"app": "Code", "title": f"x --password {SECRET}"}),
        "aw-watcher-web-firefox": bucket(
            "web.tab.current", {"url": f"https://ann:{SECRET}@mail.example.com/in?token={SECRET}#x", "title": "In"}
        ),
        "aw-watcher-afk_laptop": bucket("afkstatus", {"status": "afk"}, {"status": "not-afk"}),
        "aw-watcher-vim_laptop": bucket("app.editor.activity", {"file": "/work/a.py", "project": "shop"}),
        "own": bucket("my.type", {"title": "Tea"}, first=True),
        "empty": bucket("currentwindow"),
    },
}


@pytest.mark.parametrize("indent", [None, 2])
def test_buckets_become_events(tmp_path: Path, indent: int | None) -> None:
    path = tmp_path / "export.json"
    path.write_text(json.dumps(EXPORT, indent=indent))
    assert detect(path) == "activitywatch"
    events = list(open_source(path))
    assert [(event["type"], event["subject"]) for event in events] == [
        ("window.focused", "Code"), ("page.viewed", "https://mail.example.com/in"), ("presence.away", "afk"),
        ("presence.active", "not-afk"), ("file.edited", "/work/a.py"), ("own", "Tea"),
    ]  # fmt: skip
    assert SECRET not in json.dumps(events)
    assert {event["actor"] for event in events[:5]} == {"laptop"}
    assert {event["actor"] for event in activitywatch.read(path, actor="ann")} == {"ann"}
    assert events[0]["data"]["duration_seconds"] == 7.5
    assert len({event["id"] for event in events}) == 6
    assert list(open_source(path)) == events


@pytest.mark.parametrize(
    "text",
    [
        '{"buckets": {"a": {"events": [{"id": 1',
        '{"buckets": [1]}',
        '{"buckets": {"a": {"events": {"x": 1}}}}',
        '{"buckets": {"a": {"events": [1 2]}}}',
        '{"buckets": ' + "[" * 100_000,
    ],
)
def test_broken_exports_are_said_to_be(tmp_path: Path, text: str) -> None:
    path = tmp_path / "export.json"
    path.write_text(text)
    with pytest.raises(Unreadable):
        list(activitywatch.read(path))


def test_odd_entries_are_told_and_the_others_kept(tmp_path: Path) -> None:
    path = tmp_path / "export.json"
    entries = [{"timestamp": "never"}, 7, {"timestamp": "2026-03-02T08:00:00Z", "data": {"app": "Code"}}]
    path.write_text(json.dumps({"buckets": {"w": {"type": "currentwindow", "events": entries}}}))
    faults: list[Fault] = []
    (event,) = activitywatch.read(path, report=faults.append)
    assert event["subject"] == "Code"
    assert len(faults) == 2


def test_a_long_bucket_is_read_as_a_stream(tmp_path: Path) -> None:
    path = tmp_path / "export.json"
    entry = {"timestamp": "2026-03-02T08:00:00Z", "duration": 1, "data": {"app": "Code", "title": "t" * 300}}
    with path.open("w") as file:
        file.write('{"buckets": {"w": {"type": "currentwindow", "events": [')
        file.write(",".join(json.dumps({"id": number, **entry}) for number in range(20_000)))
        file.write("]}}}")
    assert path.stat().st_size > 7_000_000
    tracemalloc.start()
    count = sum(1 for _ in activitywatch.read(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 20_000
    assert peak < 8_000_000


@pytest.mark.parametrize(("kind", "name"), [("xes", "a.xes"), ("activitywatch", "a.json")])
def test_the_commands_count_what_they_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str, name: str
) -> None:
    path = tmp_path / name
    path.write_text(log(("1", [("ask", "COMPLETE")])) if kind == "xes" else json.dumps(EXPORT))
    assert cli.main(["import", kind, str(path), "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["read"] == (1 if kind == "xes" else 6)
