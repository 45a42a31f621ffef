"""Alerts: how a rule with a deadline becomes a workflow that tells when its last step is missing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from services.events.mining import deadlines, inference, notices, words
from services.events.mining.condition import EQUALS, Term
from services.events.mining.inference import Flat
from services.events.mining.options import MINUTE
from services.events.mining.pattern import Pattern


def whose(pattern: Pattern) -> list[Term]:
    """The condition on the actor where the rule is one person's own."""
    person = deadlines.only(pattern)
    return [Term("event.actor", EQUALS, person)] if person is not None else []


def key(firsts: Sequence[Flat], lasts: Sequence[Flat]) -> str:
    """What keeps one run apart from the next: a field in which both steps agree and few runs do, else the actor.

    firsts, lasts: the flattened first and last events of the same runs.
    """
    least = inference.AGREEMENT * len(firsts)
    for path in sorted({path for flat in firsts for path in flat}, key=lambda path: (path != "event.subject", path)):
        common = [one[path] for one, other in zip(firsts, lasts, strict=True) if one.get(path, 0) == other.get(path)]
        if '"' not in path and len(common) >= least and len(set(common)) > len(firsts) / 2:
            return path
    return "event.actor"


def trigger(pattern: Pattern, where: str, answer: str, by: str) -> dict[str, Any]:
    """The absence of the last step after the first, for each value at the path `by` on its own; the conditions are CEL
    or empty.
    """
    first, last = pattern.steps[0], pattern.steps[-1]
    return {
        "type": "absence",
        "after": {"source": first.source, "type": first.type, **({"where": where} if where else {})},
        "match": {"source": last.source, "type": last.type, **({"where": answer} if answer else {})},
        "key": by,
        "within": f"PT{deadlines.minutes(pattern)}M",
    }


def step(pattern: Pattern, first: str, last: str) -> dict[str, Any]:
    """What is told: the words for both steps, and the event that was not answered."""
    text = _text(pattern, first, last)
    told = {name: f"{{{{ event.{name} }}}}" for name in ("actor", "subject", "time")}
    output = {"does": "tell what is missing", "text": text, "after": told}
    return {"id": notices.STEP, "type": "transform", "with": {"output": output}}


def ways(pattern: Pattern, told: tuple[str, str], firsts: Sequence[Flat], channel: str | None) -> list[dict[str, Any]]:
    """Where it can be told; `told` are the words for both steps, `firsts` the flattened first events."""
    first, last = told
    return notices.ways(f"Missing: {last}", f"{_text(pattern, first, last)} That was at", firsts, channel)


def title(pattern: Pattern, first: str, last: str) -> str:
    """Such as "Tell when invoice sent in desk does not follow order received in shop within 12 minutes"."""
    return f"Tell when {last} does not follow {first} within {_minutes(pattern)}"


def explain(pattern: Pattern, first: str, last: str, by: str) -> str:
    """The reasoning: how sure and how soon it follows, and how often it would have been told."""
    told = pattern.details
    half, most = (words.span(float(str(told[name]))) for name in ("median_seconds", "p90_seconds"))
    return (
        f"{last} followed {first} in time in {pattern.support} of {pattern.trials} cases (with 95 % certainty in at "
        f"least {pattern.certainty:.0%}), half of them within {half}, nine of ten within {most}. "
        f"After {_minutes(pattern)} without it {_same(by)}, somebody is told; that would have been "
        f"{float(str(told['alerts_per_week'])):.1f} times a week. "
        f"Estimate: {words.minutes(pattern.minutes_per_week)} a week of looking after it."
    )


def _text(pattern: Pattern, first: str, last: str) -> str:
    return f"Missing: {last}, which usually follows {first} within {_minutes(pattern)}."


def _same(by: str) -> str:
    return "by the same person" if by == "event.actor" else f"for the same {by.rpartition('.')[2]}"


def _minutes(pattern: Pattern) -> str:
    return words.span(MINUTE * deadlines.minutes(pattern))
