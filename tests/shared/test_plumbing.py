"""Small parts: cursors, sealing, logs, job serialisation, traces, problems."""

import json
import pickle
from uuid import UUID, uuid4

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from shared import crypto, errors, ids, jobs, log, tracing
from shared.pagination import Cursors, cut

CURSORS = Cursors(crypto.random_token(48))
HOME, FOREIGN = uuid4(), uuid4()


@given(st.lists(st.text() | st.integers(-(2**53), 2**53), max_size=4))
def test_cursor_gives_back_its_key(key: list[str | int]) -> None:
    text = CURSORS.encode(key, organization_id=HOME, scope="events")
    assert CURSORS.decode(text, organization_id=HOME, scope="events") == key


@pytest.mark.parametrize(("organization", "scope"), [(FOREIGN, "events"), (HOME, "runs")])
def test_b38_foreign_cursor_is_refused(organization: object, scope: str) -> None:
    text = CURSORS.encode(["a"], organization_id=HOME, scope="events")
    with pytest.raises(errors.BadRequest, match="invalid-cursor"):
        CURSORS.decode(text, organization_id=organization, scope=scope)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["", "x", "☃", "AAAA", "A" * 200])
def test_b38_tampered_cursor_is_refused(text: str) -> None:
    with pytest.raises(errors.BadRequest, match="invalid-cursor"):
        CURSORS.decode(text, organization_id=HOME, scope="events")


def test_a_page_knows_whether_more_follow() -> None:
    assert cut([1, 2, 3], 2) == ([1, 2], 2)
    assert cut([1, 2], 2) == ([1, 2], None)


def test_sealed_values_open_only_in_their_row() -> None:
    ring = crypto.KeyRing({"one": Fernet.generate_key().decode()})
    key_id, sealed = ring.seal({"token": "t"}, {"integration": "a"})
    assert ring.open(key_id, sealed, {"integration": "a"}) == {"token": "t"}
    with pytest.raises(crypto.UnsealError, match="another row"):
        ring.open(key_id, sealed, {"integration": "b"})


def test_sealed_values_need_their_key() -> None:
    old = crypto.KeyRing({"one": Fernet.generate_key().decode()})
    key_id, sealed = old.seal("v", {})
    with pytest.raises(crypto.UnsealError, match="no key"):
        crypto.KeyRing({"two": Fernet.generate_key().decode()}).open(key_id, sealed, {})
    with pytest.raises(crypto.UnsealError, match="does not fit"):
        crypto.KeyRing({"one": Fernet.generate_key().decode()}).open(key_id, sealed, {})


def test_b53_pickle_in_the_queue_is_never_run() -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (exec, ("raise SystemExit('ran')",))

    with pytest.raises(ValueError, match=r".*"):
        jobs.deserialize(pickle.dumps(Bomb()))


def test_jobs_survive_the_trip() -> None:
    job: dict[str, object] = {"t": None, "f": "advance_due", "a": (), "k": {}, "et": 1}
    assert jobs.deserialize(jobs.serialize(job)) == {**job, "a": []}


@pytest.mark.parametrize(
    "entry",
    [
        {"password": "hunter22"}, {"event": {"api_key": "hunter22"}}, {"headers": [{"authorization": "hunter22"}]},
        {"message": "postgresql://floyo:hunter22@127.0.0.1/x"}, {"message": "sent floyo_12345678hunter22"},
        {"event": '10.0.0.1 - "WebSocket /api/v1/live?x=1&access_token=hunter22" 401'},
    ],
)  # fmt: skip
def test_logs_hold_no_secret(entry: dict[str, object]) -> None:
    assert "hunter22" not in json.dumps(log.redact(None, "info", entry))


def test_b43_a_log_entry_is_one_line() -> None:
    line = log._dumps({"event": "a\r\nb\x1b[31m"})
    assert "\n" not in line
    assert "\x1b" not in line


@pytest.mark.parametrize("header", [None, "", "junk", "00-" + "0" * 32 + "-" + "1" * 16 + "-01"])
def test_malformed_traces_start_anew(header: str | None) -> None:
    trace = tracing.start(header)
    assert len(trace) == 32
    assert trace != "0" * 32


def test_a_trace_goes_on() -> None:
    assert tracing.start("00-" + "ab" * 16 + "-" + "1" * 16 + "-01") == "ab" * 16
    assert tracing.traceparent().startswith("00-" + "ab" * 16)


def test_a_problem_names_its_fields() -> None:
    body = errors.invalid_field("/name", "Must not be empty.").body("t")
    assert body["type"] == "urn:floyo:problem:invalid"
    assert body["errors"] == [{"pointer": "/name", "detail": "Must not be empty."}]


def test_ids_that_are_drawn_together_are_like_those_drawn_alone() -> None:
    before, together, after = ids.new(), [UUID(text) for text in ids.many(5_000)], ids.new()
    assert len(set(together)) == 5_000
    assert [before, *together, after] == sorted([before, *together, after])
    assert {one.version for one in together} == {7}
    assert {one.variant for one in together} == {before.variant}
