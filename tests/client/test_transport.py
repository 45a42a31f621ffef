"""Calls: what is sent again and what is not, how problems rise, and how a session is kept."""

import json
import stat
import threading
from pathlib import Path

import pytest

from client import Floyo, FloyoProblem, Unreachable
from client.credentials import Credentials, File, Memory, default_path
from tests.client.server import Answer, Asked, Service, problem

PAIR = {"access_token": "a2", "token_type": "bearer", "expires_in": 300, "refresh_token": "r2", "organization_id": "o"}


def test_a_problem_rises_with_all_it_says(remote: Service, floyo: Floyo) -> None:
    errors = [{"pointer": "/type", "detail": "Required."}]
    remote.answers = [problem(422, "invalid", "The body is wrong.", errors=errors, trace_id="t1", retryable=False)]
    with pytest.raises(FloyoProblem) as caught:
        floyo.events.post({"source": "s", "type": ""})
    raised = caught.value
    assert (raised.slug, raised.status, raised.detail) == ("invalid", 422, "The body is wrong.")
    assert (raised.errors, raised.trace_id, raised.extensions) == (errors, "t1", {"retryable": False})


def test_the_gateways_plain_answer_is_a_problem_too(remote: Service, floyo: Floyo) -> None:
    remote.answers = [Answer(404, "404 page not found")]
    with pytest.raises(FloyoProblem, match="404 page not found") as caught:
        floyo.patterns.get("x")
    assert caught.value.slug == "http-404"


def test_a_get_is_sent_again_after_what_passes(remote: Service, floyo: Floyo, waits: list[float]) -> None:
    remote.answers = [problem(503, "unavailable", "Later."), Answer(502, "Bad Gateway"), Answer(200, {"id": "p"})]
    assert floyo.patterns.get("p")["id"] == "p"
    assert len(remote.asked) == 3
    assert 0 < waits[0] < waits[1] < 1


def test_retry_after_is_honoured(remote: Service, floyo: Floyo, waits: list[float]) -> None:
    busy = problem(429, "too-many-requests", "Slower.")
    busy.headers["Retry-After"] = "7"
    remote.answers = [busy, Answer(200, {"items": [], "next_cursor": None})]
    assert list(floyo.events.list()) == []
    assert waits == [7.0]


def test_a_wait_beyond_a_minute_is_left_to_the_caller(remote: Service, floyo: Floyo, waits: list[float]) -> None:
    busy = problem(429, "too-many-requests", "Slower.")
    busy.headers["Retry-After"] = "3600"
    remote.answers = [busy]
    with pytest.raises(FloyoProblem):
        list(floyo.events.list())
    assert waits == []


def test_a_post_is_sent_again_only_with_the_same_key(remote: Service, floyo: Floyo) -> None:
    remote.answers = [problem(503, "unavailable", "Later."), Answer(201, {"id": "e", "position": "1"})]
    floyo.events.post({"source": "s", "type": "t"})
    keys = [asked.headers["idempotency-key"] for asked in remote.asked]
    assert len(keys) == 2
    assert keys[0] == keys[1]


def test_a_batch_is_sent_again_only_if_every_event_has_an_id(remote: Service, floyo: Floyo) -> None:
    answer = {"accepted": 1, "duplicates": 0, "rejected": []}
    remote.answers = [problem(503, "unavailable", "Later."), Answer(200, answer)]
    assert floyo.events.batch([{"source": "s", "type": "t", "id": "1"}]) == answer
    remote.answers = [problem(503, "unavailable", "Later."), Answer(200, answer)]
    with pytest.raises(FloyoProblem, match="Later"):
        floyo.events.batch([{"source": "s", "type": "t"}])
    assert len(remote.asked) == 3


def test_other_refusals_are_not_repeated(remote: Service, floyo: Floyo) -> None:
    remote.answers = [problem(403, "forbidden", "No.")]
    with pytest.raises(FloyoProblem):
        floyo.patterns.get("x")
    assert len(remote.asked) == 1


def test_nobody_there_is_a_problem(waits: list[float]) -> None:
    with Floyo("http://127.0.0.1:1", "k", sleep=waits.append) as floyo, pytest.raises(Unreachable):
        floyo.patterns.get("x")
    assert len(waits) == 3


def test_silence_ends_by_a_timeout(remote: Service) -> None:
    asleep = threading.Event()

    def slowly(_asked: Asked) -> Answer:
        asleep.wait(5)
        return Answer()

    remote.respond = slowly
    with (
        Floyo(remote.url, "k", timeout=0.1, sleep=lambda _: None) as floyo,
        pytest.raises(Unreachable, match="in time"),
    ):
        floyo.patterns.get("x")
    asleep.set()


def test_lists_follow_the_cursor_and_stop_at_the_limit(remote: Service, floyo: Floyo) -> None:
    def page(asked: Asked) -> Answer:
        second = "cursor=c1" in asked.path
        return Answer(200, {"items": [{"id": str(second)}] * 2, "next_cursor": None if second else "c1"})

    remote.respond = page
    assert len(list(floyo.runs.list())) == 4
    remote.asked.clear()
    assert len(list(floyo.runs.list(limit=2, status="failed"))) == 2
    assert [asked.path for asked in remote.asked] == ["/api/v1/runs?limit=2&status=failed"]


def test_waiting_for_a_run_gives_the_service_its_time(remote: Service, floyo: Floyo) -> None:
    remote.answers = [Answer(200, {"id": "r", "status": "succeeded"})]
    assert floyo.runs.start("w", {"n": 1}, wait=60)["status"] == "succeeded"
    assert remote.asked[0].path == "/api/v1/workflows/w/runs?wait=60"
    assert remote.asked[0].body == {"input": {"n": 1}, "dry_run": False}


def test_login_keeps_the_pair_readable_by_its_owner_alone(remote: Service, home: Path) -> None:
    remote.answers = [Answer(200, PAIR), Answer(200, {"id": "me"})]
    with Floyo(remote.url, store=File(remote.url)) as floyo:
        floyo.login("anna@example.com", "a long passphrase")
        floyo.me()
    kept = home / "floyo" / "credentials.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert json.loads(kept.read_text())[remote.url]["token"] == "a2"
    assert "authorization" not in remote.asked[0].headers
    assert remote.asked[1].headers["authorization"] == "Bearer a2"


def test_a_refused_login_names_its_reason(remote: Service) -> None:
    remote.answers = [problem(401, "second-factor-required", "A code is needed.")]
    with Floyo(remote.url) as floyo, pytest.raises(FloyoProblem) as caught:
        floyo.login("anna@example.com", "a long passphrase")
    assert caught.value.slug == "second-factor-required"


def test_an_old_token_is_renewed_before_it_is_used(remote: Service) -> None:
    remote.answers = [Answer(200, PAIR), Answer(200, {"id": "p"})]
    store = Memory(Credentials("a1", "r1", expires_at=0))
    with Floyo(remote.url, store=store) as floyo:
        floyo.patterns.get("p")
    assert remote.asked[0].body == {"refresh_token": "r1"}
    assert remote.asked[1].headers["authorization"] == "Bearer a2"


def test_a_refused_token_is_renewed_once(remote: Service) -> None:
    refusal = problem(401, "unauthorized", "Revoked.")
    remote.answers = [refusal, Answer(200, PAIR), refusal]
    with (
        Floyo(remote.url, store=Memory(Credentials("a1", "r1", expires_at=9e9))) as floyo,
        pytest.raises(FloyoProblem, match="Revoked"),
    ):
        floyo.patterns.get("p")
    assert [asked.path for asked in remote.asked] == [
        "/api/v1/patterns/p", "/api/v1/auth/refresh", "/api/v1/patterns/p",
    ]  # fmt: skip


def test_a_refused_refresh_token_is_forgotten(remote: Service, home: Path) -> None:
    store = File(remote.url)
    store.save(Credentials("a1", "r1", expires_at=0))
    remote.answers = [problem(401, "unauthorized", "The session has ended.")]
    with Floyo(remote.url, store=store) as floyo, pytest.raises(FloyoProblem):
        floyo.me()
    assert store.load() is None


def test_two_at_once_spend_a_refresh_token_once(remote: Service) -> None:
    store = File(remote.url)
    store.save(Credentials("a1", "r1", expires_at=0))

    def answer(asked: Asked) -> Answer:
        return Answer(200, PAIR if asked.path.endswith("refresh") else {"id": "me"})

    remote.respond = answer

    def ask() -> None:
        with Floyo(remote.url, store=File(remote.url)) as floyo:
            floyo.me()

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(asked.path.endswith("/auth/refresh") for asked in remote.asked) == 1


def test_credentials_lie_where_the_environment_says(tmp_path: Path) -> None:
    assert default_path({"FLOYO_HOME": str(tmp_path)}) == tmp_path / "client.json"
    assert default_path({"XDG_CONFIG_HOME": "/x"}) == Path("/x/floyo/credentials.json")
    assert default_path({}) == Path("~/.config/floyo/credentials.json").expanduser()


def test_addresses_do_not_share_credentials() -> None:
    File("http://one").save(Credentials("1"))
    File("http://two").save(Credentials("2"))
    assert File("http://one/").load() == Credentials("1")
    File("http://one").save(None)
    assert (File("http://one").load(), File("http://two").load()) == (None, Credentials("2"))


@pytest.mark.parametrize(
    "answer", [Answer(200, "<html>Log in to the hotel</html>"), Answer(302, None, {"Location": "http://127.0.0.1:1/x"})]
)
def test_an_answer_of_somebody_else_is_a_problem(remote: Service, floyo: Floyo, answer: Answer) -> None:
    remote.answers = [answer]
    with pytest.raises(FloyoProblem, match="is this Floyo") as caught:
        floyo.patterns.get("x")
    assert caught.value.slug == "unexpected-answer"
    assert len(remote.asked) == 1


@pytest.mark.parametrize("url", ["http://[", "localhost:1", "ftp://127.0.0.1:1", ""])
def test_what_is_no_address_is_a_problem(url: str) -> None:
    with pytest.raises(Unreachable), Floyo(url, "k", sleep=lambda _: None) as floyo:
        floyo.patterns.get("x")


def test_spoilt_credentials_are_named(remote: Service, home: Path) -> None:
    (home / "floyo").mkdir(parents=True)
    (home / "floyo" / "credentials.json").write_text("{")
    with Floyo(remote.url, store=File(remote.url)) as floyo, pytest.raises(FloyoProblem, match="delete it"):
        floyo.me()
