"""Secrets never come out of the miner, whatever they look like."""

from __future__ import annotations

import pytest

from services.events.mining import tokens
from services.events.mining.activity import Activities, from_events
from services.events.mining.miner import mine
from services.events.mining.redaction import redact, redact_data
from services.events.mining.templating import template

KEY = "-----BEGIN " + "RSA PRIVATE KEY-----"
KEY_LINE = "MIIEpAIBAAKCAQEA7bq1Zk9xT2vWm4cJr8YdQ0sLhXy3uFpGnE5aKtRoBzCi6VgS"
SECRETS = [
    ("mysql -u root -phunter22 shop", "hunter22"),
    ("set password starwars", "starwars"),
    ("set SMBPass s3cr3tpw", "s3cr3tpw"),
    ("sshpass -p tr0ub4dor ssh me@host", "tr0ub4dor"),
    ("export PGPASSWORD=correcthorse", "correcthorse"),
    ("curl -u ann:swordfish https://example.com", "swordfish"),
    ("git clone https://ann:swordfish@example.com/a.git", "swordfish"),
    ("curl -H 'Authorization: Bearer abc.def-123' https://example.com", "abc.def-123"),
    ("login --token 9f8e7d6c", "9f8e7d6c"),
    ("echo letmein | sudo -S ls", "letmein"),
    ("unzip -P pikachu notes.zip", "pikachu"),
    ("the password is opensesame", "opensesame"),
    ('{"password": "opensesame"}', "opensesame"),
    ("AKIA" + "IOSFODNN7EXAMPLE", "IOSFODNN7EXAMPLE"),
    ("ghp_" + "16C7e42F292c6912E7710c838347Ae178B4a", "16C7e42F"),
    ("xoxb-" + "123456789012-abcdefGHIJKL", "abcdefGHIJKL"),
    ("sk_live_" + "4eC39HqLyjWDarjtT1zdp7dc", "4eC39HqLyjWD"),
    ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dozjgNryP4J3jVmNHl0w5N", "dozjgNry"),  # pragma: allowlist secret
    ("root:$6$rounds$abcDEF/ghi:18451:0", "abcDEF"),
    ("card 4111 1111 1111 1111", "1111 1111"),
    (KEY + "\n" + KEY_LINE + "\n-----END RSA PRIVATE KEY-----", "MIIE"),
    (KEY_LINE, "MIIE"),
    ("echo " + KEY_LINE + " > key", "MIIE"),
    ("qDdQ3+Zm9vYmFyYmF6cXV4==", "Zm9v"),
    ("d41d8cd98f00b204e9800998ecf8427e", "d41d8cd98f"),
    ("CREATE USER ann IDENTIFIED BY 'swordfish'", "swordfish"),
]
HARMLESS = [
    "cat top-secret/flag.txt",
    "passwd admin",
    "src/authentication/session_tokens.py",
    "Password reset requested",
    "/usr/share/wordlists/rockyou.txt",
    "services/workflows/internal_routes/TriggerMatches.tsx",
    "https://example.com/keys",
    "nmap -p 10000 172.18.1.5",
    "InternationalizationConfigurationFactory",
]


@pytest.mark.parametrize(("text", "secret"), SECRETS)
def test_secrets_are_masked(text: str, secret: str) -> None:
    assert secret not in redact(text)
    assert secret not in template(redact(text))[0]


@pytest.mark.parametrize("text", HARMLESS)
def test_everyday_texts_stay(text: str) -> None:
    assert redact(text) == text


def test_a_password_named_once_is_masked_wherever_it_is_typed() -> None:
    log = columns(["set password starwars", "starwars", "ssh ann@host starwars"])
    names = [token.subject for level in tokens.encode(log) for token in level.tokens]
    names += [token.subject for token in tokens.plain(log).tokens] + [
        token.subject for token in tokens.exact(log).tokens
    ]
    assert not any(name and "starwars" in name for name in names)


def test_data_is_masked_by_name_and_by_look() -> None:
    data = {"user": "ann", "password": "x", "nested": [{"api_key": "y", "note": "Bearer abc.def"}], "count": 3}
    assert redact_data(data) == {
        "user": "ann",
        "password": "{secret}",
        "nested": [{"api_key": "{secret}", "note": "Bearer {secret}"}],
        "count": 3,
    }


def test_a_key_pasted_line_by_line_again_and_again_never_comes_out() -> None:
    lines = [KEY, KEY_LINE, KEY_LINE[::-1], "set password starwars", "ls", "deploy now"]
    events = [
        {"source": "shell", "type": "command", "actor": "ann", "subject": line, "time": day * 86400.0 + 10 * place}
        for day in range(30)
        for place, line in enumerate(lines)
    ]
    patterns = mine(from_events(events))
    assert patterns
    shown = repr([pattern.steps for pattern in patterns])
    assert "MIIE" not in shown
    assert KEY_LINE[::-1][:12] not in shown
    assert "starwars" not in shown
    assert "PRIVATE" not in shown


def columns(subjects: list[str]) -> Activities:
    return from_events(
        {"source": "shell", "type": "command", "actor": "ann", "subject": subject, "time": float(place)}
        for place, subject in enumerate(subjects)
    )
