"""login, logout, whoami."""

import os
from typing import Annotated

import typer

from client import credentials
from client.api import Floyo
from client.commands.options import AsJson, Target, floyo
from client.credentials import Credentials
from client.output import as_json, err, fields, out
from client.problems import FloyoProblem
from client.targets import default_url

_AUTHENTICATOR = "second-factor-required"


def login(
    context: typer.Context,
    email: Annotated[str | None, typer.Option("--email", "-e", help="Your address; asked for when left out.")] = None,
    key: Annotated[str | None, typer.Option("--key", help="Keep this API key instead of logging in.")] = None,
    totp: Annotated[str | None, typer.Option(help="The code of your second factor; asked for when needed.")] = None,
    machine: AsJson = False,
) -> None:
    """Log in and keep the session on this machine, readable by you alone.

    The password is asked for, or read from FLOYO_PASSWORD.
    """
    target = context.find_object(Target) or Target()
    url = target.url or default_url()
    store = credentials.File(url)
    client = context.with_resource(Floyo(url, store=store))
    if chosen := key or (None if email else target.token):
        kept = Credentials(chosen)
        store.save(kept)
    else:
        address = email or typer.prompt("Email", err=True)
        password = os.environ.get("FLOYO_PASSWORD") or typer.prompt("Password", hide_input=True, err=True)
        kept = _enter(client, address, password, totp)
    if machine:
        as_json({"url": url, "organization_id": kept.organization_id, "stored": str(store.path)})
    else:
        out.print(f"Logged in at {url}; the credentials are in {store.path}.")


def logout(context: typer.Context) -> None:
    """End the session and forget its credentials."""
    target = context.find_object(Target) or Target()
    url = target.url or default_url()
    store = credentials.File(url)
    try:
        context.with_resource(Floyo(url, store=store)).logout()
    except FloyoProblem as problem:
        store.save(None)
        err.print(f"Forgotten here; the service could not be told: {problem.detail}")


def whoami(context: typer.Context, machine: AsJson = False) -> None:
    """Show who is logged in."""
    me = floyo(context).me()
    if machine:
        as_json(me)
    else:
        fields("You", me)


def _enter(client: Floyo, email: str, password: str, totp: str | None) -> Credentials:
    try:
        return client.login(email, password, totp=totp)
    except FloyoProblem as problem:
        if problem.slug != _AUTHENTICATOR or totp:
            raise
    return client.login(email, password, totp=typer.prompt("Code of your second factor", err=True))
