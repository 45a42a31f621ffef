"""Unsafe configuration refuses to start, names the variable and keeps its value to itself."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from shared import crypto, server, settings, worker

GOOD = {
    "FLOYO_SECRET_KEY": crypto.random_token(48),
    "FLOYO_DATABASE_URL": "postgresql://auth_api:pw@127.0.0.1:1/auth",
    "FLOYO_SYSTEM_DATABASE_URL": "postgresql://auth_system:pw@127.0.0.1:1/auth",
    "FLOYO_REDIS_URL": "redis://127.0.0.1:1/0",
    "FLOYO_SERVICE_KEY": crypto.random_token(32),
    "FLOYO_SERVICE_PUBLIC_KEYS": "{}",
    "FLOYO_CORS_ORIGINS": "https://app.example.com",
}

GOOD_CREDENTIAL_KEYS = f"k1:{Fernet.generate_key().decode()}"

BAD_SECRETS = {
    "unset": None,
    "empty": "",
    "old-default": "your-secret-key-change-in-production",
    "changeme": "changeme",
    "secret": "secret",
    "31-bytes": "0123456789abcdefghijklmnopqrstu",
    "one-character": "x" * 64,
    "published-example": "example-only-generate-your-own-with-openssl-rand-base64-48",
}

BAD_ORIGINS = {
    "star": "*",
    "list-with-star": "https://app.example.com,*",
    "wildcard": "https://*.example.com",
    "http": "http://example.com",
    "null": "null",
    "path": "https://example.com/path",
    "no-scheme": "example.com",
    "port": "https://example.com:99999",
}


BAD_CREDENTIAL_KEYS = {
    "unset": None,
    "empty": "",
    "no-id": Fernet.generate_key().decode(),
    "short": "k1:dG9vIHNob3J0",
    "second-is-short": f"k1:{Fernet.generate_key().decode()},k2:c2hvcnQ=",
}

BAD = [
    *(("FLOYO_SECRET_KEY", name, value) for name, value in BAD_SECRETS.items()),
    *(("FLOYO_CORS_ORIGINS", name, value) for name, value in BAD_ORIGINS.items()),
    ("FLOYO_SECRET_KEYS", "unknown", "a typo"),
    ("FLOYO_LIMITS", "unknown-limit", '{"write-planet": 5}'),
]
PROCESSES = [(name, kind) for name in ("auth", "events", "workflows", "integrations") for kind in ("server", "worker")]
process = pytest.mark.parametrize(("service", "kind"), PROCESSES, ids=str)


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in [name for name in os.environ if name.startswith("FLOYO_")]:
        monkeypatch.delenv(name)
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def refusal() -> str:
    with pytest.raises(settings.SettingsError) as refused:
        settings.load(settings.Settings)
    return str(refused.value)


def test_good_settings_load_and_unset_environment_is_production(environment: pytest.MonkeyPatch) -> None:
    loaded = settings.load(settings.Settings)
    assert loaded.environment == "production"
    assert loaded.cors_origins == ("https://app.example.com",)
    assert not loaded.docs_enabled


@pytest.mark.parametrize("value", BAD_SECRETS.values(), ids=BAD_SECRETS)
def test_bad_secret_key_refuses(environment: pytest.MonkeyPatch, value: str | None) -> None:
    if value is None:
        environment.delenv("FLOYO_SECRET_KEY")
    else:
        environment.setenv("FLOYO_SECRET_KEY", value)
    message = refusal()
    assert message.startswith("FLOYO_SECRET_KEY: ")
    assert not value or value not in message.removeprefix("FLOYO_SECRET_KEY")


@pytest.mark.parametrize("value", BAD_ORIGINS.values(), ids=BAD_ORIGINS)
def test_bad_origin_refuses(environment: pytest.MonkeyPatch, value: str) -> None:
    environment.setenv("FLOYO_CORS_ORIGINS", value)
    message = refusal()
    assert message.startswith("FLOYO_CORS_ORIGINS: ")


@pytest.mark.parametrize("origin", ["http://localhost:5173", "https://app.example.com"])
def test_plain_http_origins_are_for_development(environment: pytest.MonkeyPatch, origin: str) -> None:
    environment.setenv("FLOYO_ENVIRONMENT", "development")
    environment.setenv("FLOYO_CORS_ORIGINS", origin)
    assert settings.load(settings.Settings).cors_origins == (origin,)


def test_every_wrong_variable_is_named_at_once(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("FLOYO_SECRET_KEY", "changeme")
    environment.delenv("FLOYO_DATABASE_URL")
    assert {line.split(":")[0] for line in refusal().splitlines()} == {"FLOYO_SECRET_KEY", "FLOYO_DATABASE_URL"}


def test_secrets_may_be_files(environment: pytest.MonkeyPatch, tmp_path: object) -> None:
    folder = str(tmp_path)
    environment.delenv("FLOYO_SECRET_KEY")
    with open(f"{folder}/floyo_secret_key", "w") as file:  # noqa: PTH123
        file.write(GOOD["FLOYO_SECRET_KEY"])
    environment.setenv("FLOYO_SECRETS_DIR", folder)
    assert settings.load(settings.Settings).secret_key.get_secret_value() == GOOD["FLOYO_SECRET_KEY"]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("FLOYO_SECRETKEY", "FLOYO_SECRET_KEY"),
        ("FLOYO_CORS_ORIGIN", "FLOYO_CORS_ORIGINS"),
        ("floyo_limit", "FLOYO_LIMITS"),
    ],
)
def test_a_typo_is_refused_and_told(environment: pytest.MonkeyPatch, name: str, meant: str) -> None:
    environment.setenv(name, "value-not-to-be-shown")
    assert refusal() == f"{name}: is unknown; is {meant} meant?"


def test_a_file_that_nobody_reads_is_refused(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "floyo_secret_kay").write_text("value")
    (tmp_path / "of_somebody_else").write_text("value")
    environment.setenv("FLOYO_SECRETS_DIR", str(tmp_path))
    assert refusal() == "floyo_secret_kay: is unknown; is FLOYO_SECRET_KEY meant?"


@pytest.mark.parametrize("name", settings.BESIDE)
def test_what_stands_beside_the_settings_is_known(environment: pytest.MonkeyPatch, name: str, tmp_path: Path) -> None:
    environment.setenv(f"FLOYO_{name}", str(tmp_path))
    assert settings.load(settings.Settings).environment == "production"


def refused_to_start(service: str, kind: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What a process writes when it ends with status 2, before it has listened anywhere."""
    with socket.socket() as public, socket.socket() as internal:
        status = server.serve(service, public, internal) if kind == "server" else worker.work(service, internal)
        assert not any(one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) for one in (public, internal))
    assert status == 2
    return capsys.readouterr().err


@process
@pytest.mark.parametrize("bad", BAD, ids=lambda bad: f"{bad[0]}-{bad[1]}")
def test_every_process_refuses_every_bad_value(
    environment: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    service: str,
    kind: str,
    bad: tuple[str, str, str | None],
) -> None:
    variable, _, value = bad
    environment.setenv("FLOYO_CREDENTIAL_KEYS", GOOD_CREDENTIAL_KEYS)
    if service != "integrations":
        environment.delenv("FLOYO_CREDENTIAL_KEYS")
    if value is None:
        environment.delenv(variable)
    else:
        environment.setenv(variable, value)
    told = refused_to_start(service, kind, capsys).splitlines()
    assert [line.partition(":")[0] for line in told[1:]] == [variable]
    assert not value or "SECRET" not in variable or value not in told[1].removeprefix(variable)


@pytest.mark.parametrize("value", BAD_CREDENTIAL_KEYS.values(), ids=BAD_CREDENTIAL_KEYS)
@pytest.mark.parametrize("kind", ["server", "worker"])
def test_integrations_refuses_bad_credential_keys(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kind: str, value: str | None
) -> None:
    if value is not None:
        environment.setenv("FLOYO_CREDENTIAL_KEYS", value)
    told = refused_to_start("integrations", kind, capsys)
    assert "FLOYO_CREDENTIAL_KEYS: " in told
    assert not value or value not in told


@pytest.mark.integration
@pytest.mark.parametrize("kind", ["server", "worker"])
@pytest.mark.parametrize("service", ["auth", "events", "workflows", "integrations"])
def test_processes_exit_before_they_serve(kind: str, service: str) -> None:
    variables = {**GOOD, "FLOYO_SECRET_KEY": "changeme", "FLOYO_CORS_ORIGINS": "*", "PATH": os.environ["PATH"]}
    ports = {"FLOYO_PUBLIC_PORT": "0", "FLOYO_INTERNAL_PORT": "0"}
    ended = subprocess.run(
        [sys.executable, "-m", f"shared.{kind}", service],
        env={**variables, **ports}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ended.returncode == 2
    assert "FLOYO_SECRET_KEY" in ended.stderr
    assert "FLOYO_CORS_ORIGINS" in ended.stderr
    assert "changeme" not in ended.stderr
