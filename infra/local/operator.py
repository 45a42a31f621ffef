"""What the operator of a local stack may do by auth's own key: `python -m infra.local.operator user|rotate-tokens`."""

import argparse
import asyncio
import json
import sys
from typing import Any

from infra.local import environment, secretfiles
from infra.local.home import Home, from_environment
from shared import errors
from shared.httpclient import Directory, Siblings
from shared.servicetokens import ServiceTokens

SERVICE = "auth"
PATIENCE_SECONDS = 30.0


async def call(home: Home, method: str, path: str, body: Any = None) -> Any:
    """One call to auth's internal port; raises FloyoError."""
    public = environment.public_keys(home.secrets, [SERVICE])
    tokens = ServiceTokens(SERVICE, secretfiles.obtain(home.secrets, f"service_key_{SERVICE}"), public)
    siblings = Siblings(Directory({}, home.siblings), tokens)
    try:
        return await siblings.call(SERVICE, method, path, json=body, timeout=PATIENCE_SECONDS)
    finally:
        await siblings.close()


def create_user(home: Home, options: argparse.Namespace) -> Any:
    """A verified user with an organisation and a key for it."""
    body = {"email": options.email, "password": options.password, "name": options.name, "admin": options.admin}
    return asyncio.run(call(home, "POST", "/internal/users", body))


def rotate_tokens(home: Home, _options: argparse.Namespace) -> Any:
    """The next key that signs access tokens."""
    return asyncio.run(call(home, "POST", "/internal/signing-keys"))


def main(arguments: list[str]) -> int:
    """Run one command and print its answer as JSON; returns the exit status."""
    options = _parser().parse_args(arguments)
    home = from_environment()
    if not home.siblings.exists():
        print(f"Floyo is not running in {home.folder}. Start it: ./taskw up", file=sys.stderr)
        return 3
    try:
        print(json.dumps(options.run(home, options)))
    except errors.FloyoError as error:
        wrong = "".join(f"\n  {field.pointer}: {field.detail}" for field in error.errors)
        print(f"{error.detail}{wrong}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m infra.local.operator", description=__doc__)
    commands = parser.add_subparsers(required=True)
    user = commands.add_parser("user").add_subparsers(required=True).add_parser("create", help=create_user.__doc__)
    user.add_argument("--email", required=True)
    user.add_argument("--password", required=True)
    user.add_argument("--name")
    user.add_argument("--admin", action="store_true", help="may set feature flags and switch users off")
    user.set_defaults(run=create_user)
    commands.add_parser("rotate-tokens", help=rotate_tokens.__doc__).set_defaults(run=rotate_tokens)
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
