"""The Compose file, its secrets and its image agree with the local stack, and differences are found."""

import copy
import json
import os
import re
import ssl
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509

from infra.local import compose, composefile, composesecrets, discovery, gatewaycertificate
from infra.local.home import ROOT
from shared import crypto, migrate, settings
from shared.server import settings_class
from shared.servicetokens import ServiceTokens

File = dict[str, Any]
FILE: File = dict(composefile.read())
DOCKERFILE = (ROOT / "infra" / "Dockerfile").read_text()
SERVICES = discovery.services()


def test_compose_and_the_local_stack_run_the_same() -> None:
    assert composefile.compare(FILE) == []


def without_a_worker(file: File) -> None:
    del file["services"]["events-worker"]


def with_a_stranger(file: File) -> None:
    file["services"]["reports"] = {}


def with_a_misspelt_variable(file: File) -> None:
    file["services"]["auth"]["environment"]["FLOYO_SMTP"] = None


def without_a_variable(file: File) -> None:
    del file["services"]["auth-worker"]["environment"]["FLOYO_SMTP_URL"]


def without_a_secret(file: File) -> None:
    file["services"]["workflows"]["secrets"].pop()


def with_a_name(file: File) -> None:
    file["services"]["events"]["container_name"] = "events"


def with_a_port(file: File) -> None:
    file["services"]["postgres"]["ports"] = ["5432:5432"]


def with_another_probe(file: File) -> None:
    file["services"]["events"]["labels"]["traefik.http.services.events.loadbalancer.healthcheck.path"] = "/"


def with_a_router(file: File) -> None:
    file["services"]["events"]["labels"]["traefik.http.routers.all.rule"] = "PathPrefix(`/`)"


def with_a_secret_nobody_makes(file: File) -> None:
    file["secrets"]["hand_made"] = {"file": "hand_made"}


def with_another_database(file: File) -> None:
    file["services"]["postgres"]["image"] = "postgres:15"


DRIFTS = [
    without_a_worker, with_a_stranger, with_a_misspelt_variable, without_a_variable, without_a_secret, with_a_name,
    with_a_port, with_another_probe, with_a_router, with_a_secret_nobody_makes, with_another_database,
]  # fmt: skip


@pytest.mark.parametrize("drift", DRIFTS, ids=lambda drift: str(drift.__name__))
def test_a_difference_is_named(drift: Callable[[File], None]) -> None:
    changed = copy.deepcopy(FILE)
    drift(changed)
    assert len(composefile.compare(changed)) in {1, 2}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compose") / "secrets"
    composesecrets.make(folder, SERVICES)
    return folder


def mount(made: Path, process: str, target: Path) -> Path:
    """The folder that a container finds at /run/secrets."""
    target.mkdir()
    for item in FILE["services"][process]["secrets"]:
        (target / item["target"]).write_text((made / item["source"]).read_text())
    return target


@pytest.mark.parametrize("process", discovery.process_names())
def test_a_container_starts_with_what_it_is_told(
    process: str, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("FLOYO_")]:
        monkeypatch.delenv(name)
    service = process.removesuffix("-worker")
    for name, value in FILE["services"][process]["environment"].items():
        if value is not None and "${" not in value:
            monkeypatch.setenv(name, value)
    monkeypatch.setenv("FLOYO_SECRETS_DIR", str(mount(made, process, tmp_path / "run")))
    loaded = settings.load(settings_class(service))

    assert loaded.environment == "production"  # the file's own default is the only thing that makes it another
    assert set(loaded.siblings) == set(loaded.service_public_keys) == set(SERVICES)
    assert all(urls == [f"http://{name}:9000"] for name, urls in loaded.siblings.items())
    ServiceTokens(service, loaded.service_key.get_secret_value(), loaded.service_public_keys)
    assert f"{service}_api:" in loaded.database_url.get_secret_value()


@pytest.mark.parametrize("service", SERVICES)
def test_migrations_read_their_secrets(
    service: str, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLOYO_SECRETS_DIR", str(mount(made, f"{service}-migrations", tmp_path / "run")))
    passwords = json.loads(migrate.told("FLOYO_DATABASE_PASSWORDS"))
    assert set(passwords) == {f"{service}_{kind}" for kind in migrate.ROLE_KINDS}
    assert passwords[f"{service}_owner"] in migrate.told("FLOYO_OWNER_DATABASE_URL")
    assert migrate.told("FLOYO_ADMIN_DATABASE_URL").startswith("postgresql://postgres:")
    with pytest.raises(KeyError, match="FLOYO_NOTHING"):
        migrate.told("FLOYO_NOTHING")


def test_secrets_are_made_once_and_closed_to_others(made: Path) -> None:
    before = {path.name: path.read_text() for path in made.iterdir() if path.is_file()}
    composesecrets.make(made, SERVICES)
    assert {path.name: path.read_text() for path in made.iterdir() if path.is_file()} == before
    assert stat.S_IMODE(made.stat().st_mode) == 0o700
    assert len(set(before.values())) == len(before)
    for seed in (made / "seeds").iterdir():
        assert stat.S_IMODE(seed.stat().st_mode) == 0o600
    assert crypto.KeyRing.parse(before["credential_keys"])


def test_the_gateway_is_nobody_in_the_group_of_the_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOYO_DOCKER_SOCKET", str(tmp_path))
    group, file = tmp_path.stat().st_gid, tmp_path / ".env"
    file.write_text("FLOYO_PORT=9000\n")
    assert [composesecrets.name_gateway_user(file) for _ in range(2)] == [True, False]
    assert file.read_text() == f"FLOYO_PORT=9000\nFLOYO_GATEWAY_USER=65532:{group}\n"
    monkeypatch.setenv("FLOYO_DOCKER_SOCKET", str(tmp_path / "missing"))
    assert composesecrets.gateway_user() == "65532:0"
    assert FILE["services"]["gateway"]["user"].startswith("${FLOYO_GATEWAY_USER:?")


def test_valkey_lets_nobody_in_without_a_password(made: Path) -> None:
    lines = (made / "valkey_users").read_text().splitlines()
    assert lines[0] == "user default reset off"
    assert {line.split()[1] for line in lines[1:]} == {"floyo", *SERVICES}
    assert all(re.match(r"user \w+ on #[0-9a-f]{64} ", line) for line in lines[1:])


def test_nothing_listens_but_the_gateway_on_loopback() -> None:
    published = {name: item["ports"] for name, item in FILE["services"].items() if "ports" in item}
    assert published == {"gateway": ["${FLOYO_ADDRESS:-127.0.0.1}:${FLOYO_PORT:-8080}:8443"]}


def test_what_is_published_is_behind_tls() -> None:
    entries = yaml.safe_load((ROOT / "gateway" / "traefik.yml").read_text())["entryPoints"]
    plain, secure = entries["web"], entries["secure"]
    assert (secure.pop("address"), secure["http"].pop("tls")) == (":8443", {})
    assert plain.pop("address") == ":8080"
    assert plain == secure, "the same rules hold on both"


def test_the_gateways_certificate_names_this_machine_and_is_made_anew_before_it_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, key = gatewaycertificate.obtain(tmp_path)
    assert gatewaycertificate.obtain(tmp_path) == (text, key)
    certificate = x509.load_pem_x509_certificate(text.encode())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1"]
    assert "localhost" in names.get_values_for_type(x509.DNSName)
    context = ssl.create_default_context(cadata=text)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    assert stat.S_IMODE((tmp_path / "gateway_key").stat().st_mode) == 0o600
    monkeypatch.setattr(gatewaycertificate, "RENEW_DAYS", gatewaycertificate.DAYS + 1)
    renewed, same = gatewaycertificate.obtain(tmp_path)
    assert renewed != text
    assert same == key


@pytest.mark.parametrize("name", discovery.process_names())
def test_limits_are_passed_on(name: str) -> None:
    assert FILE["services"][name]["environment"]["FLOYO_LIMITS"] is None


@pytest.mark.parametrize("name", FILE["services"])
def test_a_container_has_no_more_rights_than_it_needs(name: str) -> None:
    process = FILE["services"][name]
    assert process["read_only"]
    assert process["cap_drop"] == ["ALL"]
    assert process["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in process
    assert process["deploy"]["resources"]["limits"]["memory"]


def test_only_what_talks_to_the_outside_has_a_way_out() -> None:
    open_networks = {name for name, item in FILE["networks"].items() if not (item or {}).get("internal")}
    having = {name for name, item in FILE["services"].items() if open_networks & set(item["networks"])}
    assert having == {"gateway", "auth", "auth-worker", "integrations", "integrations-worker"}


def test_no_image_is_pulled_anew_or_pinned_to_one_registry() -> None:
    for process in FILE["services"].values():
        assert "pull_policy" not in process
        assert "@sha256" not in process["image"]


def test_the_image_runs_as_nobody_special_from_locked_wheels() -> None:
    final = DOCKERFILE.rpartition("\nFROM ")[2]
    assert re.search(r"^USER 10001:10001$", final, re.MULTILINE)
    assert "pip" not in final
    assert "--require-hashes --only-binary=:all:" in DOCKERFILE
    assert not re.search(r"apt-get|gcc|build-essential", DOCKERFILE)
    assert {"title", "description", "version", "revision", "licenses"} == set(
        re.findall(r"org\.opencontainers\.image\.(\w+)=", final)
    )


def test_the_trial_says_why_it_is_skipped(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("PATH", "")
    assert compose.main(["test"]) == 0
    assert capsys.readouterr().out == "skipped: there is no docker command here\n"
