"""Which rows of a log are a step, read at the step's own level as a trigger would."""

from __future__ import annotations

import numpy as np

from services.events.mining.activity import Activities, Bools
from services.events.mining.symbols import EXACT, TYPE, Token
from services.events.mining.tokens import Coding, exact, plain

Levels = tuple[Coding, Coding]


def levels(log: Activities) -> Levels:
    """The log by exact and by templated labels."""
    return exact(log), plain(log)


def fits(known: Levels, step: Token) -> Bools:
    """Rows (n,) that are the step."""
    coding = known[0] if step.level == EXACT else known[1]
    found = [
        (token.source, token.type) == (step.source, step.type) and (step.level == TYPE or token.subject == step.subject)
        for token in coding.tokens
    ]
    result: Bools = np.array(found, dtype=np.bool_)[coding.codes]
    return result
