"""Deadlines are learned: what people forget is told, and hardly anything else."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest

from services.events.domain import connections, packing
from services.events.domain.miner_process import Session
from services.events.mining import notices
from services.integrations.connectors import email, slack
from services.workflows.domain.definition import Definition
from tests.events.mining import forgotten
from tests.events.mining.forgotten import Diary, Event

SEEDS = range(40, 46)
RECALL = 0.95
FALSE_A_PERSON_AND_WEEK = 1.0


def alerts(events: list[Event], channel: str | None = None) -> list[dict[str, Any]]:
    """The proposals of the miner's process whose workflow waits after something."""
    rows = [
        (UUID(int=row).bytes, e["actor"], e["source"], e["type"], e["subject"], json.dumps(e["data"]), e["time"], row)
        for row, e in enumerate(events)
    ]
    session = Session(channel=channel)
    session.add(packing.unpack(packing.pack(None, rows)))
    wanted = {row: events[row] for row, _ in session.mine()["wanted"]}
    return [made for made in session.propose(wanted) if "after" in made["workflow"]["trigger"]]


@pytest.fixture(scope="module")
def diaries() -> list[tuple[Diary, list[dict[str, Any]]]]:
    written = [forgotten.write(seed) for seed in SEEDS]
    return [(diary, alerts(diary.split()[0])) for diary in written]


def test_planted_misses_are_told_and_hardly_anything_else(diaries: list[tuple[Diary, list[dict[str, Any]]]]) -> None:
    planted = found = wrong = 0
    for diary, made in diaries:
        coming = diary.split()[1]
        ids = {event["id"] for event in coming if int(event["id"]) in diary.forgotten}
        missed = {event["id"] for one in made for event in forgotten.told(one["workflow"]["trigger"], coming)}
        planted += len(ids)
        found += len(ids & missed)
        wrong += len(missed - ids)
    weeks = len(SEEDS) * len(forgotten.PEOPLE) * (forgotten.WEEKS - forgotten.TAUGHT)
    assert planted > 200
    print(f"{found} of {planted} misses told, {wrong} false in {weeks} weeks of a person")
    assert found >= RECALL * planted, (found, planted)
    assert wrong <= FALSE_A_PERSON_AND_WEEK * weeks, (wrong, weeks)


def test_an_alert_is_a_sound_workflow_that_says_why(diaries: list[tuple[Diary, list[dict[str, Any]]]]) -> None:
    for _, made in diaries:
        assert len(made) >= len(forgotten.ROUTINES)
        for one in made:
            Definition.model_validate(one["workflow"])
            assert one["kind"] == "rule"
            assert "does not follow" in one["title"]
            assert one["backtest"]["learned"]
            assert one["backtest"]["would_have_fired"] == one["backtest"]["matched"] + one["backtest"]["wrong"]
            assert one["evidence"]
            assert 0.1 < one["confidence"] < 0.9, "as sure as what was told was missing, which few misses show"
        keys = {one["workflow"]["trigger"]["match"]["type"]: one["workflow"]["trigger"]["key"] for one in made}
        assert (keys["lamp.lit"], keys["stock.reserved"]) == ("event.actor", "event.subject")


def bound(one: dict[str, Any], own: dict[str, str]) -> tuple[dict[str, Any], str]:
    """The only step of an alert's workflow, sound, and the reasoning, where these connectors are connected."""
    shown = connections.bind({**one, "connections": one["details"]["connections"]}, own)
    Definition.model_validate(shown["workflow"])
    (step,) = shown["workflow"]["steps"]
    assert bool(connections.missing(shown)) is (step["type"] == "transform") is ("Connect" in shown["reasoning"])
    return step, shown["reasoning"]


def test_an_alert_is_posted_where_people_post_or_the_settings_say() -> None:
    plain = forgotten.write(SEEDS[0]).split()[0]
    post = {"source": "slack", "type": "message.posted", "data": {}}
    said = ["#ops", "#ops", "a word to #sales", "#sales"]
    posts = [{**post, "actor": "ada", "subject": said[place % 4], "time": plain[place]["time"]} for place in range(40)]
    others = [{**post, "actor": "eve", "subject": "#eve", "time": plain[place]["time"]} for place in range(90)]
    for made, channel in ((alerts(plain + posts + others), "#ops"), (alerts(plain + posts, "C0123"), "C0123")):
        assert len(made) >= len(forgotten.ROUTINES)
        for one in made:
            step, _ = bound(one, {"slack": "team", "email": "our-mail"})
            assert (step["type"], step["with"]["integration"], step["with"]["action"]) == (
                "action", "team", "post_message",
            )  # fmt: skip
            message = slack.NewMessage.model_validate(step["with"]["input"])
            assert message.channel == channel
            assert message.text.startswith("Missing: ")
            assert "{{ event.time }}, by {{ event.actor }}" in message.text
            assert ("about {{ event.subject }}" in message.text) is ("event.subject" in str(one["workflow"]["trigger"]))


def test_who_is_known_by_an_address_is_told_by_mail_where_no_chat_is() -> None:
    plain = forgotten.write(SEEDS[0]).split()[0]
    named = [{**event, "actor": f"{event['actor'][:2]}@example.com"} for event in plain]
    made = alerts(named)
    assert len(made) >= len(forgotten.ROUTINES)
    for one in made:
        for own in ({"email": "our-mail"}, {"email": "our-mail", "slack": "whose channel nobody knows"}):
            step, _ = bound(one, own)
            assert (step["type"], step["with"]["integration"], step["with"]["action"]) == ("action", "our-mail", "send")
            assert step["with"]["input"]["to"] == ["{{ event.actor }}"]
            mail = email.Mail.model_validate({**step["with"]["input"], "to": ["ad@example.com"]})
            assert mail.text.startswith(f"{mail.subject}, which usually follows")
        step, reasoning = bound(one, {})
        assert step["type"] == "transform"
        assert f"Connect Slack (with {notices.NO_CHANNEL}) or your mail server first" in reasoning


def test_an_alert_that_nobody_would_hear_says_what_to_connect() -> None:
    plain = forgotten.write(SEEDS[0]).split()[0]
    for one in alerts(plain, "#ops"):
        assert "Connect Slack first (connector slack)" in bound(one, {"email": "our-mail"})[1]
    for one in alerts(plain):
        step, reasoning = bound(one, {"email": "our-mail", "slack": "whose channel nobody knows"})
        assert step["type"] == "transform"
        assert f"Connect Slack (with {notices.NO_CHANNEL}) first" in reasoning


@pytest.mark.parametrize(
    ("source", "kind", "subject", "data", "missed"),
    [
        ("helpdesk", "ticket.answered", None, {}, True),
        ("slack", "message.posted", None, {}, True),
        ("slack", "message.posted", "#ops", {"text": "The lamp is lit."}, False),
    ],
)
def test_only_what_a_connector_would_do_is_not_missed(
    source: str, kind: str, subject: str | None, data: dict[str, str], missed: bool
) -> None:
    """A workflow that prepares an answer, or does not know what to post, leaves the step to a person."""
    last = {"source": source, "type": kind, "subject": subject, "data": data}
    seen = [{**one, **last} if one["type"] == "lamp.lit" else one for one in forgotten.write(SEEDS[0]).split()[0]]
    assert (kind in {one["workflow"]["trigger"]["match"]["type"] for one in alerts(seen)}) is missed


def test_what_follows_by_chance_is_nothing_to_miss() -> None:
    diary = forgotten.write(7)
    noise = [event for event in diary.events if event["source"] == "app"]
    half = [event for place, event in enumerate(diary.split()[0]) if event["type"] != "lamp.lit" or place % 2]
    assert alerts(noise) == []
    assert not any("lamp" in made["title"] for made in alerts(half)), "what follows every other time may be missing"
