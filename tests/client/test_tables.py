"""Tables: dialects, columns known by name or told, and rows that are no events."""

import gzip
from pathlib import Path

import pytest

from client.importers import columns, open_source, tables, times
from client.importers.drafts import Event, Fault, Unreadable


def written(folder: Path, content: str | bytes, name: str = "log.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def read(path: Path, *pairs: str, **options: str | None) -> tuple[list[Event], list[Fault]]:
    faults: list[Fault] = []
    told = tables.Options(columns.parse(pairs), **options)  # type: ignore[arg-type]
    return list(tables.read(path, told, faults.append)), faults


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_dialects(tmp_path: Path, delimiter: str, encoding: str, ending: str) -> None:
    rows = [["Timestamp", "User", "Event Type", "Note"], ["2026-06-01T12:00:00Z", "Åse", "opened", '"a, b; c|d"']]
    text = ending.join(delimiter.join(row) for row in rows)
    events, faults = read(written(tmp_path, text.encode(encoding)))
    assert faults == []
    assert events[0]["actor"] == "Åse"
    assert (events[0]["type"], events[0]["source"], events[0]["data"]) == ("opened", "log", {"Note": "a, b; c|d"})


def test_quoted_cells_go_on_over_lines_and_gzip_is_unpacked(tmp_path: Path) -> None:
    text = 'time,type,note\n2026-06-01T12:00:00Z,a,"one\ntwo ""three"""\n2026-06-01T12:00:01Z,b,\n'
    path = written(tmp_path, gzip.compress(text.encode()), "log.csv.gz")
    events = list(open_source(path))
    assert events[0]["data"]["note"] == 'one\ntwo "three"'
    assert [event["type"] for event in events] == ["a", "b"]
    assert "data" not in events[1]


def test_bad_rows_are_reported_and_the_others_kept(tmp_path: Path) -> None:
    text = (
        "time,type,user\n2026-06-01T12:00:00Z,a,x\nyesterday,a,x\n,a,x\n\n2026-06-01T12:00:01Z,,x\n"
        "2026-06-01T12:00:02Z,b,x,more\n2026-06-01T12:00:03Z,c\n"
    )
    events, faults = read(written(tmp_path, text))
    assert [event["type"] for event in events] == ["a", "c"]
    assert faults == [
        Fault("line 3", "'yesterday' is no time"),
        Fault("line 4", "it has no time"),
        Fault("line 6", "it has no type"),
        Fault("line 7", "it has 4 fields where there are 3 columns"),
    ]


def test_nulls_and_giant_cells_do_not_stop_the_import(tmp_path: Path) -> None:
    giant = b"x" * 2_000_000
    text = b"time,type,note\n1,a,%s\n1780315200,b\x00,y\n" % giant
    events, faults = read(written(tmp_path, text))
    assert [event["type"] for event in events] == ["b"]
    assert [fault.place for fault in faults] == ["line 2"]


def test_columns_are_told_by_mapping(tmp_path: Path) -> None:
    text = "When,What,Where,Room,id\n01.06.2026 14:00,open,door,12,7\n"
    path = written(tmp_path, text)
    events, _ = read(
        path, "time=When,type=What", "subject=Where+Room", "id=id", time_format="%d.%m.%Y %H:%M", source="house"
    )  # fmt: skip
    assert events == [
        {"id": "7", "source": "house", "type": "open", "subject": "door 12", "time": "2026-06-01T14:00:00+00:00"}
    ]


def test_zones(tmp_path: Path) -> None:
    path = written(tmp_path, "time,type\n2026-06-01 12:00:00,a\n2026-06-01T12:00:00.5+0530,b\n")
    events = list(tables.read(path, tables.Options(zone=times.zone("Europe/Oslo"))))
    assert [event["time"] for event in events] == ["2026-06-01T10:00:00+00:00", "2026-06-01T06:30:00.500000+00:00"]


@pytest.mark.parametrize("text", ["1780315200", "1780315200000", "1780315200000000", "2026-06-01 12:00:00 UTC",
                                  "2026-06-01T12:00:00.0Z", "2026-06-01T12:00:00.000000000+00:00"])  # fmt: skip
def test_moments(text: str) -> None:
    assert times.read(text).isoformat() == "2026-06-01T12:00:00+00:00"


@pytest.mark.parametrize("text", ["", "soon", "0001-01-01T00:00:00Z", "99999999999999999999", "2026-13-01"])
def test_no_moments(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        times.read(text)


def test_a_missing_column_is_named_with_what_there_is(tmp_path: Path) -> None:
    path = written(tmp_path, "when_it_was;colour\n1;red\n")
    with pytest.raises(Unreadable, match=r"time of an event.*when_it_was, colour.*--map time=COLUMN"):
        read(path)
    with pytest.raises(Unreadable, match="no column 'nope'"):
        read(path, "time=nope")
    with pytest.raises(Unreadable, match="no field 'colour'"):
        columns.parse(["colour=x"])
    with pytest.raises(Unreadable, match="FIELD=COLUMN"):
        columns.parse(["time"])
    with pytest.raises(Unreadable, match="Nowhere"):
        times.zone("Nowhere/Land")


def test_an_own_id_is_kept_and_a_bare_one_is_no_id(tmp_path: Path) -> None:
    events, _ = read(written(tmp_path, "event_id,id,time,type\ne1,u1,1780315200,a\n,u1,1780315200,a\n"))
    assert events[0]["id"] == "e1"
    assert events[1]["id"] != "u1"
    assert events[1]["data"] == {"id": "u1"}


def test_rows_alike_get_ids_of_their_own_that_stay(tmp_path: Path) -> None:
    text = "time,type\n1780315200,a\n1780315200,b\n1780315200,a\n1780315201,a\n"
    first, _ = read(written(tmp_path, text))
    again, _ = read(written(tmp_path, text, "other.csv"), source="log")
    assert [event["id"] for event in first] == [event["id"] for event in again]
    assert len({event["id"] for event in first}) == 4


def test_secrets_in_tables_are_masked(tmp_path: Path) -> None:
    events, _ = read(written(tmp_path, "time,type,subject,password,note\n1780315200,a,login token=abc123,x1,y\n"))
    assert events[0]["subject"] == "login token={secret}"
    assert events[0]["data"] == {"password": "{secret}", "note": "y"}


def test_no_table_is_refused(tmp_path: Path) -> None:
    for number, content in enumerate([b"", b"just words\n", b"a,a\n1,2\n", b"\x1f\x8bbroken"]):
        with pytest.raises(Unreadable):
            list(tables.read(written(tmp_path, content, f"{number}.csv")))
    with pytest.raises(Unreadable, match="neither"):
        open_source(written(tmp_path, "just words\n", "notes.txt"))
