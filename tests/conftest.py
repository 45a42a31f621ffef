"""Fixtures for all tests, and the marks that follow from which fixtures a test asks for."""

import os
import shutil

import pytest
import structlog

from tests.fixtures import keeper

pytest_plugins = ["tests.fixtures.servers", "tests.fixtures.stack"]

INTEGRATION = frozenset({"postgres", "valkey", "s3_server", "database", "session", "redis"})


def pytest_configure(config: pytest.Config) -> None:
    """Name the run before any worker starts, so that all of them share one server; tell of errors without locals.

    Drawing the locals of a deep traceback takes seconds, in which nobody is answered.
    """
    plain = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*structlog.get_config()["processors"][:-1], plain])
    if not hasattr(config, "workerinput"):
        os.environ[keeper.RUN] = str(os.getpid())


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Remember failures by the names they have without workers: xdist adds `@group`, which `--last-failed` lacks."""
    remembered = session.config.pluginmanager.get_plugin("lfplugin")
    if remembered is not None and not hasattr(session.config, "workerinput"):
        remembered.lastfailed = {_plain(name): True for name in remembered.lastfailed}


def _plain(name: str) -> str:
    return name.rpartition("@")[0] if name.rfind("@") > name.rfind("]") else name


def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave nothing behind; the servers ended when their last worker did."""
    if not hasattr(config, "workerinput"):
        shutil.rmtree(keeper.run_folder(), ignore_errors=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark a test `e2e` when it asks for a stack, `integration` when it asks for a server."""
    for item in items:
        names = set(getattr(item, "fixturenames", ()))
        if "stack" in names:
            item.add_marker("e2e")
        elif names & INTEGRATION or any(name.startswith("service") for name in names):
            item.add_marker("integration")
