"""Secrets never leave the machine in commands, and what is no secret stays legible."""

import time

import pytest

from client import masking

# None of these is anybody's secret; whole keys are put together here so that no scanner takes them for one.
WORD = "hunter" + "2xyz"
CODED = "aB3dE5fG7" + "hJ9kL1mN3pQ5"


@pytest.mark.parametrize(
    "command",
    [
        f"mysql -uroot -p{WORD} shop",
        f"mysqldump --password={WORD} shop",
        f"PGPASSWORD={WORD} psql -h db",
        f"export GITHUB_TOKEN={WORD}",
        f"export DBPASS='{WORD}'",
        f"sshpass -p {WORD} ssh admin@10.0.0.1",
        f"curl -u anna:{WORD} https://example.com",
        f"curl --user=anna:{WORD} https://example.com",
        f"curl https://anna:{WORD}@example.com/x",
        f"curl 'https://example.com/?access_token={WORD}&page=2'",
        f"curl -H 'Authorization: Bearer {CODED}' https://example.com",
        f'curl -H "X-Api-Key: {WORD}" https://example.com',
        f"git clone https://oauth2:{CODED}@example.com/a.git",
        f"redis-cli -h r -a {WORD} ping",
        f"docker login -u anna -p {WORD} registry.example.com",
        f"unzip -P {WORD} a.zip",
        f"7z x -p{WORD} a.7z",
        f"openssl enc -d -passin pass:{WORD} -in a",
        f"echo {WORD} | sudo -S apt update",
        f"echo 'anna:{WORD}' | chpasswd",
        f"ssh-keygen -t ed25519 -N {WORD}",
        f"htpasswd -b -c file anna {WORD}",
        f"smbclient //srv/share -U anna%{WORD}",
        f"net user anna {WORD} /add",
        f"xfreerdp /u:anna /p:{WORD} /v:host",
        f"keytool -storepass {WORD} -list",
        f"aws configure set aws_secret_access_key {WORD}",
        f"set PASSWORD {WORD}",
        f"hydra -l admin -p {WORD} ssh://10.0.0.1",
        f"psql -c \"ALTER USER anna IDENTIFIED BY '{WORD}'\"",
        f"gpg --batch --passphrase {WORD} -c a",
        f"mosquitto_pub -u anna -P {WORD} -t a",
        f"vault login token={WORD}",
        f"login --otp {WORD}",
    ],
)
def test_a_secret_is_masked_and_the_rest_stays(command: str) -> None:
    masked = masking.mask(command)
    assert WORD not in masked
    assert CODED not in masked
    assert masking.MASK in masked
    assert masked.split()[0].split("=")[0] == command.split(maxsplit=1)[0].split("=", maxsplit=1)[0]
    assert masking.mask(masked) == masked


@pytest.mark.parametrize(
    "key",
    [
        "ghp_" + "a1B2" * 9,
        "glpat-" + "a1B2c3D4e5F6g7H8",
        "AKIA" + "ABCDEFGHIJKLMNOP",
        "xoxb-" + "123456-abcdef",
        "sk-" + "proj1234567890abcdef",
        "eyJhbGciOiJub25l" + ".eyJzdWIiOiIx.c2ln",
        "floyo_" + "abcdefgh12345678",
        "$6$salt$" + "Yzk2aGFzaGVkdGV4dA",
        "-----BEGIN OPENSSH " + "PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEA\n-----END OPENSSH PRIVATE KEY-----",
        CODED,
        "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo=",
        "0123456789abcdef" * 3,
    ],
)
def test_a_key_is_known_by_its_looks(key: str) -> None:
    assert key not in masking.mask(f"use {key} now")


@pytest.mark.parametrize(
    "command",
    [
        "git commit -m 'fix the parser'",
        "git push origin feature/add-user-authentication-flow",
        "ssh -p 2222 anna@10.0.0.1",
        "nmap -sV -p 10000 10.1.26.9",
        "kubectl -n production get pods",
        "cat /var/lib/postgresql/16/main/PG_VERSION",
        "curl -H 'Authorization: Bearer $TOKEN' https://example.com",
        "export TOKEN=$(pass show token)",
        "passwd anna",
        "cat authorized_keys",
        "cd top-secret/",
        "ping -c=3 example.com",
        "git log --author=anna",
        "docker run -p 8080:80 nginx",
        "mkdir -p src/components/Authentication",
        "grep -rn password src/",
        "python manage.py test accounts.tests.TestLoginViewRedirects",
        "ls node_modules/@typescript-eslint/eslint-plugin",
        "git show 1f0e9a7c",
        "tar xzf backup-2026-01-31.tar.gz",
    ],
)
def test_what_is_no_secret_stays_as_it_is(command: str) -> None:
    assert masking.mask(command) == command


def test_a_value_named_once_is_hidden_everywhere() -> None:
    found: set[str] = set()
    masking.mask(f"mysql -p{WORD}", found)
    assert found == {WORD}
    assert masking.mask_words(f"{WORD}  '{WORD}' {WORD}x", found) == f"{masking.MASK}  {masking.MASK} {WORD}x"


def test_common_words_are_not_remembered() -> None:
    found: set[str] = set()
    for command in ("mysql -padmin", "mysql -pabc", "curl --password $PW x", "hydra -p /usr/share/words.txt"):
        masking.mask(command, found)
    assert found == set()


def test_data_is_masked_by_name_and_by_looks() -> None:
    masked = masking.mask_data(
        {"password": WORD, "apiKey": WORD, "user_token": WORD, "author": "anna", "list": [f"token={WORD}"], "n": 1}
    )
    assert WORD not in str(masked)
    assert (masked["author"], masked["n"]) == ("anna", 1)


@pytest.mark.parametrize(
    "text", ["-" * 8_000, "a" * 8_000, "pass" * 2_000, "curl " * 1_600, "echo " * 1_600, "=" * 8_000]
)
def test_long_texts_take_no_time(text: str) -> None:
    begun = time.perf_counter()
    masking.mask(text, set())
    assert time.perf_counter() - begun < 2
