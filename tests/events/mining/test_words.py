"""What people read of a step."""

from __future__ import annotations

import pytest

from services.events.mining import words
from services.events.mining.symbols import EXACT, TEMPLATED, TYPE, Token

MAKE = Token("shell", "command.make", "make test", EXACT)
SAID = [
    (MAKE, "`make test` in shell", "After `make test` in shell", "have `make test` in shell ready"),
    (
        Token("shell", "command.nmap", None, TYPE),
        "`nmap …` in shell", "After `nmap …` in shell", "have `nmap …` in shell ready",
    ),
    (
        Token("github", "build.failed", "acme/shop", EXACT),
        "build failed in github (acme/shop)", "When build failed in github",
        "have build failed in github (acme/shop) ready",
    ),
    (
        Token("slack", "message.posted", "#team", EXACT),
        "message posted in slack (#team)", "When message posted in slack", "post the message for #team (slack)",
    ),
    (
        Token("helpdesk", "ticket.answered", "ticket-{n}", TEMPLATED, ("n",)),
        "ticket answered in helpdesk (ticket-…)", "When ticket answered in helpdesk", "prepare the answer (helpdesk)",
    ),
    (Token("a", "b", "{n}", TEMPLATED, ("n",)), "b in a", "When b in a", "have b in a ready"),
]  # fmt: skip


@pytest.mark.parametrize(("token", "of", "when", "chore"), SAID)
def test_a_step_in_words(token: Token, of: str, when: str, chore: str) -> None:
    assert (words.of(token), words.when(token), words.chore(token)) == (of, when, chore)


def test_the_end_of_a_routine_stands_for_it() -> None:
    slack = Token("slack", "message.posted", "#team", EXACT)
    assert words.chores([MAKE, slack]) == words.chore(slack)
    assert words.chores([slack, slack, MAKE]) == "have the next 3 steps ready, up to `make test` in shell"


def test_figures_in_words() -> None:
    assert [words.span(seconds) for seconds in (45, 600, 7_200)] == ["45 seconds", "10 minutes", "2.0 hours"]
    assert [words.minutes(number) for number in (0.01, 12.34)] == ["under 0.1 minutes", "12.3 minutes"]
