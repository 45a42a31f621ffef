"""Saving a definition: every fault is named at its field, and sound graphs get their order."""

from typing import Any

import pytest
from pydantic import ValidationError

from services.workflows.domain import plan
from services.workflows.domain.definition import Definition
from services.workflows.step import catalog
from shared import errors


def definition(*steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": "A workflow", "trigger": {"type": "manual"}, "steps": list(steps), **more}


def transform(name: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "type": "transform", "with": {"output": 1}, **more}


def faults(body: dict[str, Any]) -> dict[str, str]:
    try:
        plan.build(Definition.model_validate(body), catalog())
    except ValidationError as problem:
        return {"/" + "/".join(map(str, item["loc"])): item["msg"] for item in problem.errors()}
    except errors.Invalid as problem:
        return {error.pointer: error.detail for error in problem.errors}
    return {}


def test_a_sound_definition_has_no_faults() -> None:
    assert faults(definition(transform("a"), transform("b", needs=[]), transform("c", needs=["a", "b"]))) == {}


def test_b45_circle() -> None:
    found = faults(definition(transform("a", needs=["b"]), transform("b", needs=["a"])))
    assert "wait for each other" in found["/steps/0"]


def test_b45_circle_through_a_condition() -> None:
    chooser = {"id": "c", "type": "condition", "with": {"when": "true", "then": ["a"]}}
    assert "wait for each other" in str(faults(definition(transform("a"), chooser)))


def test_b45_missing_target() -> None:
    assert "/steps/0/needs" in faults(definition(transform("a", needs=["nowhere"])))
    chooser = {"id": "c", "type": "condition", "with": {"when": "true", "then": ["nowhere"]}}
    assert "/steps/0/with" in faults(definition(chooser))


def test_b45_too_many_steps() -> None:
    assert faults(definition(*(transform(f"s{index}") for index in range(1_000)))) == {}
    assert "/steps" in faults(definition(*(transform(f"s{index}") for index in range(1_001))))


@pytest.mark.parametrize("name", ["../etc", "a/b", "%2e%2e", "nul\x00", "", "a b", "x" * 65, "..", "é"])
def test_b50_step_ids_are_safe(name: str) -> None:
    assert "/steps/0/id" in faults(definition(transform(name)))


@pytest.mark.parametrize("name", ["../../etc/passwd", "%2e%2e%2fetc", "a\x00b", "line\nbreak", "..\\x", "  "])
def test_b50_workflow_names_are_safe(name: str) -> None:
    assert "/name" in faults({**definition(transform("a")), "name": name})


def test_ids_are_unique() -> None:
    assert "/steps/1/id" in faults(definition(transform("a"), transform("a")))


@pytest.mark.parametrize(
    ("step", "pointer"),
    [
        ({"id": "a", "type": "shell", "with": {}}, "/steps/0/type"),
        ({"id": "a", "type": "http", "with": {}}, "/steps/0/with/url"),
        ({"id": "a", "type": "http", "with": {"url": "https://a", "method": "BREW"}}, "/steps/0/with/method"),
        ({"id": "a", "type": "http", "with": {"url": "https://{{ oops }}"}}, "/steps/0/with/url"),
        ({"id": "a", "type": "http", "with": {"url": "https://a", "verify": False}}, "/steps/0/with/verify"),
        ({"id": "a", "type": "condition", "with": {"when": "1 +"}}, "/steps/0/with/when"),
        ({"id": "a", "type": "condition", "with": {"when": "foo == 1"}}, "/steps/0/with/when"),
        ({"id": "a", "type": "transform", "with": {"output": 1}, "if": "steps."}, "/steps/0/if"),
        ({"id": "a", "type": "transform", "with": {"output": 1}, "timeout": "5 minutes"}, "/steps/0/timeout"),
        ({"id": "a", "type": "transform", "with": {"output": 1}, "retry": {"attempts": 0}}, "/steps/0/retry/attempts"),
        ({"id": "a", "type": "delay", "with": {}}, "/steps/0/with"),
        ({"id": "a", "type": "delay", "with": {"for": "P1M"}}, "/steps/0/with/for"),
    ],
)
def test_faults_point_at_their_field(step: dict[str, Any], pointer: str) -> None:
    assert pointer in faults(definition(step))


def test_templates_are_not_checked_before_they_are_rendered() -> None:
    assert faults(definition({"id": "a", "type": "delay", "with": {"for": "{{ input.length }}"}})) == {}


@pytest.mark.parametrize(
    "trigger",
    [
        {"type": "schedule", "cron": "0 25 * * *"},
        {"type": "schedule", "cron": "0 0 30 2 *"},
        {"type": "schedule", "cron": "0 9 * * 1-5", "timezone": "Mars/Olympus"},
        {"type": "schedule", "cron": "0 9 * * 1-5", "timezone": "../../etc/passwd"},
        {"type": "interval", "every": "PT0.1S"},
        {"type": "event", "match": {}},
        {"type": "event", "match": {"source": "x", "where": "steps.a"}},
        {"type": "hook", "hook": "x"},
        {"type": "carrier-pigeon"},
    ],
)
def test_triggers_are_checked(trigger: dict[str, Any]) -> None:
    assert any(pointer.startswith("/trigger") for pointer in faults(definition(transform("a"), trigger=trigger)))


def test_unknown_fields_are_refused() -> None:
    assert faults({**definition(transform("a")), "organization_id": "x"})
    assert faults(definition(transform("a", run_as="root")))


def test_goto_leads_forward_within_the_list() -> None:
    assert faults(definition(transform("a", on_error={"goto": "b"}), transform("b"))) == {}
    for target in ("a", "nowhere"):
        found = faults(definition(transform("a"), transform("b", on_error={"goto": target})))
        assert "/steps/1/on_error/goto" in found
