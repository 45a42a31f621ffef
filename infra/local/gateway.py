"""The gateway's files: the committed configuration with this stack's address, and the servers that are ready."""

import json
import shutil
from collections.abc import Mapping, Sequence

from infra.local import binaries
from infra.local.home import ROOT, Home, write_whole
from infra.local.program import Program

CONFIGURATION = ROOT / "gateway"
# A busy machine may answer late; taking its only instance out for that would turn slowness into an outage.
HEALTH_CHECK = {"path": "/health/readiness", "interval": "1s", "unhealthyInterval": "1s", "timeout": "4s"}


def prepare(home: Home, port: int, services: Sequence[str]) -> Program:
    """Write everything but the servers, which are none as yet, and say how the gateway is started."""
    import yaml  # not at the top, for the fork server begins before this

    static = yaml.safe_load((CONFIGURATION / "traefik.yml").read_text())
    static["entryPoints"]["web"]["address"] = f"127.0.0.1:{port}"
    del static["entryPoints"]["secure"]  # Compose's; nothing leaves the machine here
    del static["providers"]["docker"]
    static["providers"]["file"]["directory"] = str(home.gateway)
    path = home.folder / "traefik.yml"
    write_whole(path, yaml.safe_dump(static, sort_keys=False))
    shutil.rmtree(home.gateway, ignore_errors=True)
    home.gateway.mkdir()
    shutil.copyfile(CONFIGURATION / "middlewares.yml", home.gateway / "middlewares.yml")
    shutil.copytree(CONFIGURATION / "routes", home.gateway / "routes")
    list_servers(home, {name: [] for name in services})
    argv = [str(binaries.traefik()), f"--configFile={path}"]
    return Program(argv, {"FLOYO_PROVIDER": "@file", "HOME": str(home.folder)})


def list_servers(home: Home, ports: Mapping[str, Sequence[int]], number: int = 0) -> None:
    """Tell the gateway the public port of every instance that is ready; a service without one answers 503.

    From the moment at which it goes by this listing, and no other, the gateway answers 200 to `listing_path(number)`.
    """
    services = {
        name: {"loadBalancer": {"healthCheck": HEALTH_CHECK, "passHostHeader": True,
                                "servers": [{"url": f"http://127.0.0.1:{port}"} for port in found]}}
        for name, found in ports.items()
    }  # fmt: skip
    listing = {"rule": f"Path(`{listing_path(number)}`)", "service": "ping@internal"}
    told = {"http": {"services": services, "routers": {"listing": listing}}}
    write_whole(home.gateway / "servers.yml", json.dumps(told, indent=1))


def listing_path(number: int) -> str:
    """What the gateway answers while it goes by that listing of servers."""
    return f"/health/listing-{number}"


def list_siblings(home: Home, ports: Mapping[str, Sequence[int]]) -> None:
    """Tell the services the internal port of every instance that is ready."""
    urls = {name: [f"http://127.0.0.1:{port}" for port in found] for name, found in ports.items()}
    write_whole(home.siblings, json.dumps(urls))
