"""The sizes and habits of CONTRIBUTING, checked on every file."""

import ast
import re

import pytest

from tests.architecture.sources import Source, all_sources, code_lines

FILE_CAP = 300
TEST_FILE_CAP = 500
FUNCTION_CAP = 50
SHARED_CAP = 4_200
FORBIDDEN_NAMES = {"utils.py", "helpers.py", "common.py", "misc.py", "base.py"}
PROMISES = re.compile(r"\b(TODO|FIXME|XXX|NotImplementedError|for now|in production you would)\b")

sources = pytest.mark.parametrize("source", all_sources(), ids=lambda source: str(source.path))


@sources
def test_file_stays_within_its_cap(source: Source) -> None:
    cap = TEST_FILE_CAP if source.is_test else FILE_CAP
    assert source.text.count("\n") <= cap


@sources
def test_functions_stay_within_their_cap(source: Source) -> None:
    long = [node.name for node in source.functions if (node.end_lineno or 0) - node.lineno + 1 > FUNCTION_CAP]
    assert long == []


@sources
def test_module_opens_with_a_sentence(source: Source) -> None:
    assert not source.tree.body or ast.get_docstring(source.tree)


@sources
def test_names_say_what_is_inside(source: Source) -> None:
    assert source.path.name not in FORBIDDEN_NAMES


@sources
def test_nothing_is_promised_for_later(source: Source) -> None:
    if source.path.name == "test_caps.py":
        pytest.skip("holds the pattern itself")
    assert PROMISES.findall(source.text) == []


def test_shared_stays_small() -> None:
    total = sum(code_lines(source) for source in all_sources() if source.path.parts[0] == "shared")
    assert total <= SHARED_CAP


def test_only_shared_commits() -> None:
    offenders = [
        str(source.path)
        for source in all_sources()
        if source.path.parts[0] == "services"
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Attribute) and node.attr in {"commit", "rollback"}
    ]
    assert offenders == []


def test_sql_stands_only_in_storage() -> None:
    places = {"storage", "migrations"}
    offenders = [
        str(source.path)
        for source in all_sources()
        if source.path.parts[0] == "services" and not places & set(source.path.parts)
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Attribute) and node.attr in {"execute", "scalar", "scalars", "stream"}
        if isinstance(node.value, ast.Name) and node.value.id in {"session", "connection"}
    ]
    assert offenders == []
