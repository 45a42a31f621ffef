"""The quick way in answers as the documented way does, and never takes what that one refuses."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.events.domain import batches, drafts, quick
from services.events.domain.ingest import Committer
from services.events.storage import batches as stored
from services.events.storage import log
from services.events.storage.batches import Batch
from services.events.storage.log import Draft
from shared import errors, ids, strictjson
from tests.events.processes import Process, Tenant

ORGANIZATION = ids.new()
FIELDS = [name for name in Draft.__slots__ if name not in {"id", "data"}]
names = st.text(st.characters(codec="utf-8"), max_size=12)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | names | st.sampled_from(["type", "1e999"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(names | st.sampled_from(["type", "id"]), inner, max_size=3)
    ),
    max_leaves=8,
)
events = st.fixed_dictionaries(
    {"source": names, "type": names},
    optional={
        "id": names | st.none(), "actor": names | st.none() | st.integers(), "subject": names,
        "time": st.sampled_from(["2026-01-01T00:00:00Z", "2026-01-01T00:00:00+14:00", "", "0000-01-01T00:00:00Z"]),
        "data": values, "more": values,
    },
)  # fmt: skip


def same(left: Draft, right: Draft) -> bool:
    """Whether two drafts would be stored alike."""
    data = [None if draft.data is None else json.loads(draft.data) for draft in (left, right)]
    return all(getattr(left, name) == getattr(right, name) for name in FIELDS) and data[0] == data[1]


@settings(max_examples=400, deadline=None)
@given(events, st.booleans(), st.lists(st.tuples(st.integers(0, 400), st.binary(max_size=3)), max_size=2))
def test_what_is_taken_quickly_is_taken_strictly(event: Any, ascii_only: bool, mutations: Any) -> None:
    body = json.dumps(event, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    for place, replacement in mutations:
        body = body[:place] + replacement + body[place + 1 :]
    taken = quick.read(body, ORGANIZATION)
    if taken is not None:
        assert same(taken, drafts.read(strictjson.parse(body), ORGANIZATION))


@settings(max_examples=100, deadline=None)
@given(st.lists(events, max_size=4), st.booleans())
def test_batches_too(found: Any, lines: bool) -> None:
    body = b"\n".join(json.dumps(event).encode() for event in found) if lines else json.dumps(found).encode()
    batch = quick.read_many(body, lines=lines)
    if batch is not None:
        taken = batch.drafts(ORGANIZATION)
        items = batches.split_lines(body) if lines else batches.split_array(body)
        strict = [drafts.read(strictjson.parse(item), ORGANIZATION) for item in items]
        assert len(taken) == len(strict)
        assert all(same(left, right) for left, right in zip(taken, strict, strict=True))


@pytest.mark.parametrize(
    "body",
    [b'{"source":"s","source":"s","type":"t"}', b'{"source":"s","type":"t","data":1e400}',
     b'{"source":"s","type":"t","data":"\\u0000"}', b'{"source":"s","type":"t","data":NaN}',
     b'{"source":"s","type":"t"',
     b'{"source":"s","type":"t","data":' + b"[" * 65 + b"]" * 65 + b"}", b'{"source":"s","type":"t","x":1}',
     b'{"source":"","type":"t"}', b"[]", b"", b'{"source":"s","type":"t","data":"\xff"}'],
)  # fmt: skip
def test_what_is_in_doubt_is_left_to_the_strict_reading(body: bytes) -> None:
    assert quick.read(body, ORGANIZATION) is None


def test_a_plain_event_is_taken() -> None:
    body = (
        b'{"source":"s","type":"t","id":"1","actor":null,"time":"2026-01-01T00:00:00Z","data":{"type":"x","n":[1.5]}}'
    )
    taken = quick.read(body, ORGANIZATION)
    assert taken is not None
    assert (taken.external_id, taken.actor, taken.data) == ("1", None, '{"type":"x","n":[1.5]}')


class Recorder:
    """A group commit that counts what passes through it."""

    def __init__(self, committer: Committer) -> None:
        self.committer = committer
        self.before = committer.group.enter
        self.items = 0

    def enter(self, items: Any) -> Any:
        """Counts, then has them stored."""
        self.items += len(items)
        return self.before(items)


async def test_hundreds_at_once_share_commits_and_keep_their_answers(
    tenant: Tenant, service_events: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder(service_events.service.part(Committer))
    monkeypatch.setattr(recorder.committer.group, "enter", recorder.enter)
    bodies = [{"source": "s", "type": "t", "id": str(number % 100), "data": number} for number in range(300)]
    answers = await asyncio.gather(*(tenant.post(body) for body in bodies))
    assert recorder.items == 300
    assert sorted(answer.status_code for answer in answers) == [200] * 200 + [201] * 100
    by_id: dict[str, set[str]] = {}
    for body, answer in zip(bodies, answers, strict=True):
        by_id.setdefault(str(body["id"]), set()).add(answer.json()["id"])
    assert all(len(found) == 1 for found in by_id.values())


async def test_a_batch_is_stored_as_it_was_read(tenant: Tenant, service_events: Process) -> None:
    moments = [None, datetime.min.replace(tzinfo=UTC), datetime(2026, 1, 31, 9, 30, 0, 250_001, tzinfo=UTC)]
    batch = Batch(
        ["a", None, "ü"], ["s", "NULL", "{}"], ["t", '"', "\\"], [None, "null", " "], ["", None, "x,y"], moments,
        [None, '{"n": [1, 2]}', '"\\t"'],
    )  # fmt: skip
    async with service_events.service.database.statements() as connection:
        assert await stored.append(connection, tenant.organization_id, batch) is not None
        query = "SELECT * FROM event WHERE organization_id = $1 ORDER BY sequence"
        rows = await connection.fetch(query, tenant.organization_id)
    for name in ("external_id", "source", "type", "actor", "subject"):
        assert [row[name] for row in rows] == getattr(batch, name)
    assert [row["time"] for row in rows] == [rows[0]["received_at"], *moments[1:]]
    assert [row["data"] for row in rows] == [None, {"n": [1, 2]}, "\t"]


PLAIN = [
    ("a", "s", "t", None, None, None, None), (None, "NULL", '"', "null", "x,y", datetime(1, 1, 2, tzinfo=UTC), "[1]"),
    ("ü", "{}", "\\", " ", "s", datetime(2026, 1, 31, 9, 30, 0, 250_001, tzinfo=UTC), '"\\t"'),
]  # fmt: skip
DIVIDED = ("b", "a\x1fb", "\x1e", None, "", None, None)


@pytest.mark.parametrize("given", [PLAIN, [*PLAIN, DIVIDED], [DIVIDED]])
async def test_a_group_is_stored_alike_as_texts_and_as_arrays(
    given: list[tuple[Any, ...]], tenant: Tenant, service_events: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = f"""SELECT {", ".join(FIELDS[1:-2])}, nullif(time, received_at) AS time, data FROM event
                WHERE organization_id = $1 ORDER BY sequence"""
    found = []
    async with service_events.service.database.statements() as connection:
        for organization_id in (tenant.organization_id, ids.new()):
            group = [Draft(ids.new(), organization_id, *fields) for fields in given]
            appended = await log.append_unfiltered(connection, group)
            assert [item and (item.id, item.duplicate) for item in appended] == [(draft.id, False) for draft in group]
            found.append([tuple(row) for row in await connection.fetch(query, organization_id)])
            monkeypatch.setattr(log, "joined", lambda _column: None)
    assert found[0] == found[1]
    assert [row[:6] for row in found[0]] == [fields[:6] for fields in given]


@pytest.mark.parametrize("subjects", [[None, "a\x1fb"], [None, "\x1e"], [""]])
async def test_a_batch_that_could_be_taken_apart_wrongly_is_not_stored_at_once(
    subjects: list[str | None], tenant: Tenant, service_events: Process
) -> None:
    size = len(subjects)
    batch = Batch([None] * size, ["s"] * size, ["t"] * size, [None] * size, subjects, [None] * size, [None] * size)
    async with service_events.service.database.statements() as connection:
        assert await stored.append(connection, tenant.organization_id, batch) is None


async def test_a_bad_item_of_a_group_fails_alone(tenant: Tenant, service_events: Process) -> None:
    group = service_events.service.part(Committer).group
    good = [Draft(ids.new(), tenant.organization_id, str(n), "s", "t", None, None, None, "1") for n in range(20)]
    bad = Draft(ids.new(), tenant.organization_id, "bad", "s", "t", None, None, None, '"\\u0000"')
    results = await group.submit([*good[:7], bad, *good[7:]])
    assert isinstance(results[7], errors.Invalid)
    assert sum(not isinstance(result, errors.FloyoError) for result in results) == 20
    assert len((await tenant.client.get("/api/v1/events")).json()["items"]) == 20


async def test_too_much_waiting_is_refused(
    tenant: Tenant, service_events: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = service_events.service.part(Committer).group
    monkeypatch.setattr(group, "_capacity", 10)
    answers = await asyncio.gather(*(tenant.post({"source": "s", "type": "t"}) for _ in range(40)))
    refused = [answer for answer in answers if answer.status_code == 503]
    assert refused
    assert all(answer.headers["Retry-After"] == "1" for answer in refused)
    assert all(answer.json()["type"] == "urn:floyo:problem:overloaded" for answer in refused)
    assert group.size == 0
