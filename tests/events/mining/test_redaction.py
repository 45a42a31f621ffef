"""Secrets never come out of the miner, whatever they look like."""

from __future__ import annotations

import pytest

from services.events.mining import tokens
from services.events.mining.activity import Activities, from_events
from services.events.mining.inference import flatten, without_secrets
from services.events.mining.miner import mine
from services.events.mining.redaction import pasted, redact, redact_data
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


def test_what_was_masked_once_holds_nothing_that_masking_again_would_find() -> None:
    texts = [*SECRETS, *((text, "hunter2") for text in TYPED)]
    for text, secret in texts:
        event = {"subject": text, "actor": text, "data": {"said": [{"in": text}], "password": secret, "user": "ann"}}
        (safe,) = without_secrets({0: event}, set()).values()
        assert secret not in str(safe)
        assert secret not in str(flatten(safe))
        again = {name: redact_data(safe[name]) for name in ("subject", "actor", "data")}
        assert str(again).replace("}", "") == str({name: safe[name] for name in again}).replace("}", "")


TYPED = [
    "chpasswd <<< 'root:hunter2'",
    "sudo -S <<< hunter2 ls",
    "kinit bob <<< hunter2",
    "fcrackzip -u -p hunter2 a.zip",
    "useradd -p hunter2 bob",
    "net user bob hunter2 /add",
    "smbclient //h/s -U bob%hunter2",
    "xfreerdp /u:b /p:hunter2",
    "rpcclient -U 'bob%hunter2' h",
    "htpasswd -cb f bob hunter2",
    "redis-cli -a hunter2",
    "ldapsearch -D a -w hunter2",
    "docker login -u bob -p hunter2",
    "ssh-keygen -t rsa -N hunter2 -f k",
    "ssh-keygen -p -P hunter2",
    "lftp -u b,hunter2",
    "mongo -u bob -p hunter2",
    "nmcli dev wifi connect home password hunter2",
    "wpa_passphrase home hunter2",
    "login bob hunter2",
    "psexec.py dom/bob:hunter2@10.1.1.1",
    "sqlcmd -U sa -P hunter2",
    "mysql -uroot -phunter2 db",
    "mysqladmin -u root password hunter2",
    "echo -n hunter2 | md5sum",
    "echo hunter2 > pass.txt",
    "unzip -Phunter2 a.zip",
    "ALTER USER bob WITH PASSWORD 'hunter2'",
    "db.auth('bob','hunter2')",
    "curl -u bob:hunter2 http://h",
]
INNOCENT = [
    "john --wordlist=/usr/share/wordlists/rockyou.txt hash",
    "fcrackzip -u -D -p wordlist.txt a.zip",
    "su - bob -c ls",
    "ssh -p 2222 bob@h",
    "cp -p a b",
    "mkdir -p /a/b",
    "login -f bob",
    "scp bob@h:/srv/a .",
    "echo done > notes.txt",
    "git clone git@example.com:team/repo.git",
    "docker pull image:1.2@sha256:abc",
    "net user",
    "date +%Y",
]


@pytest.mark.parametrize("text", TYPED)
def test_weak_passwords_typed_into_commands_are_masked(text: str) -> None:
    assert "hunter2" not in redact(text)
    assert redact(text)[:5] == text[:5]


@pytest.mark.parametrize("text", INNOCENT)
def test_commands_without_a_secret_stay(text: str) -> None:
    assert redact(text) == text


def test_the_short_last_line_of_a_pasted_key_is_masked_and_commands_after_it_are_not() -> None:
    lines = [
        KEY,
        "MIIEpAIBAAKCAQEA1",
        "aB3dE",
        "-----END RSA PRIVATE KEY-----",
        "make all",
    ]
    torn = [KEY, "kJ8sQ2", "ls", "git push"]
    assert pasted(lines) == {"MIIEpAIBAAKCAQEA1", "aB3dE"}
    assert pasted(torn) == {"kJ8sQ2"}
    assert pasted(["ls", "aB3dE"]) == set()
    for coding in (tokens.plain(columns(lines)), tokens.exact(columns(lines + torn))):
        names = [token.subject for token in coding.tokens]
        assert not any("aB3dE" in str(name) or "kJ8sQ2" in str(name) for name in names)
        assert "make all" in names


def columns(subjects: list[str]) -> Activities:
    return from_events(
        {"source": "shell", "type": "command", "actor": "ann", "subject": subject, "time": float(place)}
        for place, subject in enumerate(subjects)
    )
