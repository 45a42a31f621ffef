"""Names each activity at three levels: exact, templated, type alone; secrets are masked first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from services.events.mining.activity import Activities, Ints
from services.events.mining.options import DEFAULT, Options
from services.events.mining.redaction import MASK, mask_words, pasted, redact
from services.events.mining.symbols import EXACT, TEMPLATED, TYPE, Token
from services.events.mining.templating import template

# An exact label is a category worth a token of its own when most events of its template carry labels that recur.
CATEGORY_SHARE = 0.8
_LONGEST = 200


@dataclass(frozen=True)
class Coding:
    """One level's view of n activities: `codes` int64 (n,), each an index into `tokens`."""

    level: str
    codes: Ints
    tokens: list[Token]


@dataclass(frozen=True)
class _Label:
    """One distinct (source, type, subject) with its safe text, its template and how many events carry it."""

    source: str
    type: str
    text: str | None
    template: str | None
    slots: tuple[str, ...]
    count: int


@dataclass(frozen=True)
class _Recurrence:
    """How many events carry each text and template, and the templates whose texts are mostly recurring ones."""

    texts: _Counts
    templates: _Counts
    categories: set[tuple[str | None, ...]]
    least: int


_Counts = dict[tuple[str | None, ...], int]
_Key = Callable[[_Label], tuple[str | None, ...]]


def encode(activities: Activities, options: Options = DEFAULT) -> list[Coding]:
    """The wanted levels, finest first, without those that tell nothing new.

    A label seen too rarely to be suggested falls back to its template, and a rare template to its type.
    """
    inverse, labels = _labels(activities)
    seen = _recurrence(labels, options.min_support)
    codings: list[Coding] = []
    for level in options.levels:
        names = [_name(label, level, seen) for label in labels]
        coding = _number(level, names, inverse)
        if not any(np.array_equal(coding.codes, other.codes) for other in codings):
            codings.append(coding)
    return codings


def plain(activities: Activities) -> Coding:
    """Codes by templated label alone, with no fallback, so that a name never depends on the other events."""
    inverse, labels = _labels(activities)
    names = [
        Token(label.source, label.type, label.template, TYPE if label.template is None else TEMPLATED, label.slots)
        for label in labels
    ]
    return _number(TEMPLATED, names, inverse)


def exact(activities: Activities) -> Coding:
    """Codes by safe exact label alone, with no fallback."""
    inverse, labels = _labels(activities)
    names = [Token(label.source, label.type, label.text, TYPE if label.text is None else EXACT) for label in labels]
    return _number(EXACT, names, inverse)


def _labels(activities: Activities) -> tuple[Ints, list[_Label]]:
    frame = pl.DataFrame(
        {"source": activities.sources, "type": activities.types, "subject": activities.subjects},
        schema={"source": pl.String, "type": pl.String, "subject": pl.String},
    )
    joined = frame.select(
        pl.concat_str(pl.col("source"), pl.col("type"), pl.col("subject").fill_null("\x00"), separator="\x1f")
    )
    physical = joined.to_series().cast(pl.Categorical).to_physical().to_numpy()
    _, first, inverse, counts = np.unique(physical, return_index=True, return_inverse=True, return_counts=True)
    order = np.argsort(first, kind="stable")
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    rows = first[order].tolist()
    texts, templates = _safe_texts([activities.subjects[row] for row in rows], _pasted(activities))
    labels = [
        _Label(activities.sources[row], activities.types[row], text, name, slots, int(count))
        for row, text, (name, slots), count in zip(rows, texts, templates, counts[order].tolist(), strict=True)
    ]
    return rank[inverse.astype(np.int64)], labels


def secrets(activities: Activities) -> set[str]:
    """What some subject names as a secret, and the lines of keys that were pasted line by line."""
    found = _pasted(activities)
    for subject in set(activities.subjects):
        if subject is not None:
            redact(subject, found)
    return found


def _pasted(activities: Activities) -> set[str]:
    """Lines of keys that somebody pasted line by line."""
    begun = {
        actor
        for actor, subject in zip(activities.actors, activities.subjects, strict=True)
        if subject is not None and "-----BEGIN" in subject
    }
    found: set[str] = set()
    for actor in begun:
        rows = np.flatnonzero([name == actor for name in activities.actors])
        rows = rows[np.lexsort((activities.positions[rows], activities.times[rows]))]
        found |= pasted([activities.subjects[row] for row in rows.tolist()])
    return found


def _safe_texts(
    subjects: Sequence[str | None], keys: set[str]
) -> tuple[list[str | None], list[tuple[str | None, tuple[str, ...]]]]:
    found: set[str] = set()
    redacted = [
        None if subject is None else MASK if subject in keys else redact(subject, found) for subject in subjects
    ]
    texts = [None if text is None else mask_words(text, found) for text in redacted]
    templates: list[tuple[str | None, tuple[str, ...]]] = [
        (None, ()) if text is None else template(text) for text in texts
    ]
    return [None if text is None else text[:_LONGEST] for text in texts], templates


def _count(labels: list[_Label], key: _Key) -> _Counts:
    counts: _Counts = {}
    for label in labels:
        counts[key(label)] = counts.get(key(label), 0) + label.count
    return counts


def _recurrence(labels: list[_Label], least: int) -> _Recurrence:
    texts = _count(labels, lambda label: (label.source, label.type, label.text))
    templates = _count(labels, lambda label: (label.source, label.type, label.template))
    recurring = [label for label in labels if texts[label.source, label.type, label.text] >= least]
    shares = _count(recurring, lambda label: (label.source, label.type, label.template))
    categories = {key for key, count in shares.items() if count >= CATEGORY_SHARE * templates[key]}
    return _Recurrence(texts, templates, categories, least)


def _name(label: _Label, level: str, seen: _Recurrence) -> Token:
    if label.text is None or level == TYPE:
        return Token(label.source, label.type)
    by_text, by_template = (label.source, label.type, label.text), (label.source, label.type, label.template)
    constant = label.text == label.template
    if seen.texts[by_text] >= seen.least and (constant or (level == EXACT and by_template in seen.categories)):
        return Token(label.source, label.type, label.text, EXACT)
    if seen.templates[by_template] >= seen.least:
        return Token(label.source, label.type, label.template, TEMPLATED, label.slots)
    return Token(label.source, label.type)


def _number(level: str, names: list[Token], inverse: Ints) -> Coding:
    ordered = sorted(set(names), key=lambda name: (name.source, name.type, name.subject or "", name.level))
    numbers = {name: number for number, name in enumerate(ordered)}
    by_label = np.array([numbers[name] for name in names], dtype=np.int64)
    codes = by_label[inverse] if len(names) else np.zeros(0, dtype=np.int64)
    return Coding(level, codes, ordered)
