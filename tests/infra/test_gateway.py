"""The gateway where no service has a server: every public path is one that exists, and no other is."""

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import httpx2
import pytest
import yaml

from infra.local import discovery, gateway, ports
from infra.local.home import ROOT, Home
from tests.infra.stacks import wait_for

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("gateway")]
ROUTES = ROOT / "gateway" / "routes"
RULE = re.compile(r"Path\(`([^`]+)`\)")
PATHS = sorted(path for name in discovery.services() for path in RULE.findall((ROUTES / f"{name}.yml").read_text()))


@pytest.fixture(scope="module", params=["@file", "@docker"])
def deserted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A gateway alone: its services are known and empty, or, as in Compose without any container, not known at all."""
    with _running(Home(tmp_path_factory.mktemp("gateway")), FLOYO_PROVIDER=request.param) as url:
        yield url


@contextmanager
def _running(home: Home, **variables: str) -> Iterator[str]:
    port = ports.free()
    program = gateway.prepare(home, port, discovery.services())
    process = subprocess.Popen(program.argv, env={**os.environ, **program.environment, **variables})
    url = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        try:
            return httpx2.get(url + "/health").status_code == 200
        except httpx2.TransportError:
            return False

    try:
        wait_for(answers)
        yield url
    finally:
        process.terminate()
        process.wait()


@pytest.mark.parametrize("path", PATHS)
def test_a_service_without_any_server_is_away_not_unknown(deserted: str, path: str) -> None:
    assert httpx2.get(deserted + path).status_code == 503
    assert httpx2.get(deserted + path + "/below").status_code == (404 if path.endswith(".json") else 503)


@pytest.mark.parametrize(
    "path", ["/", "/api/v1", "/api/v1/nothing", "/api/v1/eventsandmore", "/internal/jwks", "/metrics"]
)
def test_what_is_not_public_stays_unknown(deserted: str, path: str) -> None:
    assert httpx2.get(deserted + path).status_code == 404


def test_it_tells_which_listing_of_servers_it_goes_by(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with _running(home) as url:
        for number in (1, 2):
            gateway.list_servers(home, {"auth": []}, number)
            wait_for(partial(_is_found, url + gateway.listing_path(number)))
        assert not _is_found(url + gateway.listing_path(1))


def _is_found(url: str) -> bool:
    return httpx2.get(url).status_code == 200


def test_the_routes_are_read() -> None:
    assert len(PATHS) >= 20
    assert yaml.safe_load((ROUTES / "away.yml").read_text())["http"]["routers"].keys() == {"away"}
