"""Client and miner mask secrets by rules of their own, for neither may import the other; they agree on what is one."""

import random
import string
from collections.abc import Callable

import pytest

from client import masking
from services.events.mining import redaction

COMMANDS = [
    "mysql -uroot -p{} shop",
    "mysqldump --password={} shop",
    "PGPASSWORD={} psql -h db",
    "export GITHUB_TOKEN={}",
    "export DBPASS='{}'",
    "sshpass -p {} ssh admin@10.0.0.1",
    "curl -u anna:{} https://example.com",
    "curl --user=anna:{} https://example.com",
    "curl https://anna:{}@example.com/x",
    "curl 'https://example.com/?access_token={}&page=2'",
    'curl -H "X-Api-Key: {}" https://example.com',
    "curl -H 'Authorization: Bearer {}' https://example.com",
    "redis-cli -h r -a {} ping",
    "docker login -u anna -p {} registry.example.com",
    "unzip -P {} a.zip",
    "7z x -p{} a.7z",
    "openssl enc -d -passin pass:{} -in a",
    "echo {} | sudo -S apt update",
    "echo 'anna:{}' | chpasswd",
    "sudo -S ls <<< {}",
    "ssh-keygen -t ed25519 -N {}",
    "htpasswd -b -c file anna {}",
    "smbclient //srv/share -U anna%{}",
    "net user anna {} /add",
    "xfreerdp /u:anna /p:{} /v:host",
    "keytool -storepass {} -list",
    "aws configure set aws_secret_access_key {}",
    "set PASSWORD {}",
    "hydra -l admin -p {} ssh://10.0.0.1",
    "psql -c \"ALTER USER anna IDENTIFIED BY '{}'\"",
    "gpg --batch --passphrase {} -c a",
    "mosquitto_pub -u anna -P {} -t a",
    "vault login token={}",
    "login --otp {}",
    "the password is {}",
    '{{"client_secret": "{}"}}',
]
VENDORS = [
    "AKIA{:.16}", "ghp_{}", "github_pat_{}", "glpat-{}", "xoxb-{}", "xapp-{}", "sk_live_{}", "whsec_{}", "npm_{}",
    "pypi-{}", "hf_{}", "dckr_pat_{}", "dop_v1_{}", "shpat_{}", "SG.{}", "ya29.{}", "hvs.{}", "floyo_{}", "eyJ{}.{}",
]  # fmt: skip
HARMLESS = [
    "git commit -m 'Rename the reader'",
    "docker compose up --build",
    "kubectl get pods -n shop",
    "src/authentication/session_tokens.py",
    "Password reset requested",
    "https://example.com/keys",
    "nmap -p 10000 172.18.1.5",
    "InternationalizationConfigurationFactory",
    "A_SUBMITTED",
]
Mask = Callable[[str], str]
both = pytest.mark.parametrize("mask", [masking.mask, redaction.redact], ids=["client", "miner"])


def word(chance: random.Random, size: int, letters: str = string.ascii_letters + string.digits) -> str:
    return "".join(chance.choices(letters, k=size))


@both
@pytest.mark.parametrize("command", COMMANDS)
def test_both_mask_what_a_command_names_as_a_secret(mask: Mask, command: str) -> None:
    chance = random.Random(command)
    plain = [word(chance, size, string.ascii_lowercase) + word(chance, 2, string.digits) for size in range(5, 25)]
    marked = [word(chance, 6) + mark + word(chance, 6) + "7" for mark in "!#*+,.:=?"]
    shown = [secret for secret in plain + marked if secret in mask(command.format(secret))]
    assert shown == []


@both
@pytest.mark.parametrize("form", VENDORS)
def test_both_know_the_keys_of_vendors(mask: Mask, form: str) -> None:
    chance = random.Random(form)
    secrets = [word(chance, 32, string.ascii_uppercase + string.digits) for _ in range(20)]
    keys = [form.format(secret, secret) for secret in secrets]
    assert [key for key in keys if key[-12:] in mask(f"use {key} now")] == []


@both
@pytest.mark.parametrize("text", HARMLESS)
def test_both_leave_what_is_no_secret(mask: Mask, text: str) -> None:
    assert mask(text) == text
