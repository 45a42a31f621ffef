"""A definition made ready to run: expressions compiled, the graph resolved; every fault named at its field."""

import graphlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import TypeAdapter, ValidationError

from services.workflows.domain import conditions, mappings, templates
from services.workflows.domain.definition import MOST_STEPS, Definition, Goto, StepDefinition
from services.workflows.domain.names import ROOTS
from services.workflows.step import Step
from shared import errors

DEEPEST = 5
_STEPS = TypeAdapter(list[StepDefinition])


@dataclass(frozen=True, slots=True)
class Node:
    """One step, ready: its template, its condition, what it waits for and what stands inside it."""

    definition: StepDefinition
    step: Step
    template: templates.Template
    verbatim: Mapping[str, Any]
    condition: conditions.Condition | None
    needs: tuple[str, ...]
    explicit: bool
    roots: frozenset[str]
    choosers: tuple[str, ...] = ()
    catches: tuple[str, ...] = ()
    looks_back: bool = True
    scopes: tuple["Scope", ...] = ()

    @property
    def id(self) -> str:
        """The step's name within its list."""
        return self.definition.id


@dataclass(frozen=True, slots=True)
class Scope:
    """A list of steps, in the order written; `nests` tells whether one of them has lists of its own inside."""

    nodes: Mapping[str, Node]
    nests: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole workflow, ready to run."""

    definition: Definition
    root: Scope


@dataclass(slots=True)
class Compiler:
    """Collects faults while it builds, so that all of them are told at once."""

    catalog: Mapping[str, Step]
    faults: list[errors.FieldError] = field(default_factory=list)
    count: int = 0

    def fault(self, pointer: str, detail: str) -> None:
        """Note one wrong field."""
        self.faults.append(errors.FieldError(pointer, detail))

    def condition(self, source: str | None, roots: frozenset[str], pointer: str) -> conditions.Condition | None:
        """Compile a condition, or note why not."""
        if source is None:
            return None
        try:
            return conditions.compile_condition(source, roots)
        except conditions.Refused as problem:
            self.fault(pointer, str(problem))
            return None

    def scope(self, steps: list[StepDefinition], pointer: str, roots: frozenset[str], depth: int = 0) -> Scope:
        """Build one list of steps and check that its graph has an order."""
        self.count += len(steps)
        if depth > DEEPEST:
            self.fault(pointer, f"lists of steps stand at most {DEEPEST} deep inside each other")
            return Scope({})
        if self.count > MOST_STEPS:
            self.fault(pointer, f"a workflow has at most {MOST_STEPS} steps")
            return Scope({})
        nodes: dict[str, Node] = {}
        for index, step in enumerate(steps):
            if step.id in nodes:
                self.fault(f"{pointer}/{index}/id", f"the id {step.id!r} is taken by an earlier step")
                continue
            before = steps[index - 1].id if index else None
            node = self._node(step, f"{pointer}/{index}", before, roots, depth)
            if node is not None:
                nodes[step.id] = node
        known = {step.id for step in steps}
        self._check_targets(steps, pointer, known)
        for node in list(nodes.values()):
            for target in node.step.targets(node.definition.with_):
                if target in nodes:
                    nodes[target] = replace(nodes[target], choosers=(*nodes[target].choosers, node.id))
            handling = node.definition.on_error
            if isinstance(handling, Goto) and handling.goto in nodes:
                target = handling.goto
                nodes[target] = replace(nodes[target], catches=(*nodes[target].catches, node.id))
        self._check_order(steps, nodes, pointer)
        return Scope(nodes, nests=any(node.scopes for node in nodes.values()))

    def _node(
        self, step: StepDefinition, pointer: str, before: str | None, roots: frozenset[str], depth: int
    ) -> Node | None:
        kind = self.catalog.get(step.type)
        if kind is None:
            self.fault(f"{pointer}/type", f"unknown step type; known are {', '.join(sorted(self.catalog))}")
            return None
        self._check_inputs(step, kind, f"{pointer}/with", roots)
        needs = tuple(dict.fromkeys(step.needs)) if step.needs is not None else ((before,) if before else ())
        return Node(
            definition=step,
            step=kind,
            template=self._template(step, kind, f"{pointer}/with", roots),
            verbatim={name: value for name, value in step.with_.items() if name in kind.verbatim},
            condition=self.condition(step.if_, roots, f"{pointer}/if"),
            needs=needs,
            explicit=step.needs is not None,
            roots=roots,
            looks_back=_looks_back(step),
            scopes=tuple(self._scopes(step, kind, f"{pointer}/with", roots, depth)),
        )

    def _scopes(
        self, step: StepDefinition, kind: Step, pointer: str, roots: frozenset[str], depth: int
    ) -> Iterator[Scope]:
        for raw, place, names in kind.scopes(step.with_):
            try:
                steps = _STEPS.validate_python(raw)
            except ValidationError as problem:
                for item in problem.errors(include_url=False, include_context=False, include_input=False):
                    self.fault(pointer + place + _pointer(item["loc"]), item["msg"])
                continue
            yield self.scope(steps, pointer + place, roots | names, depth + 1)

    def _template(self, step: StepDefinition, kind: Step, pointer: str, roots: frozenset[str]) -> templates.Template:
        raw = {name: value for name, value in step.with_.items() if name not in kind.verbatim}
        try:
            return templates.compile_value(raw, roots)
        except mappings.Refused as problem:
            self.fault(pointer + str(problem.args[1]), str(problem.args[0]))
            return None

    def _check_inputs(self, step: StepDefinition, kind: Step, pointer: str, roots: frozenset[str]) -> None:
        """Check `with` by the step's own model; what stands in a template is known only when it runs."""

        def compile_cel(source: str) -> None:
            try:
                conditions.compile_condition(source, roots)
            except conditions.Refused as problem:
                raise ValueError(str(problem)) from None

        try:
            kind.inputs.model_validate(step.with_, context={"compile": compile_cel})
        except ValidationError as problem:
            for item in problem.errors(include_url=False, include_context=False, include_input=False):
                if not templates.is_template(_find(step.with_, item["loc"])):
                    self.fault(pointer + _pointer(item["loc"]), item["msg"])

    def _check_targets(self, steps: list[StepDefinition], pointer: str, known: set[str]) -> None:
        for index, step in enumerate(steps):
            for need in step.needs or ():
                if need not in known:
                    self.fault(f"{pointer}/{index}/needs", f"there is no step {need!r} in this list")
            later = {other.id for other in steps[index + 1 :]}
            if isinstance(step.on_error, Goto) and step.on_error.goto not in later:
                self.fault(f"{pointer}/{index}/on_error/goto", f"there is no later step {step.on_error.goto!r} here")
            kind = self.catalog.get(step.type)
            for target in kind.targets(step.with_) if kind else ():
                if target not in known or target == step.id:
                    self.fault(f"{pointer}/{index}/with", f"there is no other step {target!r} in this list")

    def _check_order(self, steps: list[StepDefinition], nodes: Mapping[str, Node], pointer: str) -> None:
        try:
            before = {name: {*node.needs, *node.choosers, *node.catches} for name, node in nodes.items()}
            graphlib.TopologicalSorter(before).prepare()
        except graphlib.CycleError as problem:
            circle = set(problem.args[1])
            index = next(index for index, step in enumerate(steps) if step.id in circle)
            self.fault(f"{pointer}/{index}", f"these steps wait for each other: {', '.join(sorted(circle))}")


def build(definition: Definition, catalog: Mapping[str, Step]) -> Plan:
    """Compile a definition; Invalid `invalid-workflow` names every fault at its field."""
    compiler = Compiler(catalog)
    root = compiler.scope(definition.steps, "/steps", ROOTS)
    _check_trigger(definition, compiler.condition)
    _check_limits(definition, compiler)
    if compiler.faults:
        first = compiler.faults[0]
        raise errors.Invalid("invalid-workflow", f"{first.pointer}: {first.detail}", errors=compiler.faults[:100])
    return Plan(definition, root)


def _check_limits(definition: Definition, compiler: Compiler) -> None:
    for name in ("concurrency", "throttle", "debounce"):
        limit = getattr(definition, name)
        compiler.condition(limit and limit.key, ROOTS - {"steps"}, f"/{name}/key")
    if definition.throttle is not None and definition.debounce is not None:
        compiler.fault("/debounce", "a workflow has a throttle or a debounce, not both")


def _check_trigger(definition: Definition, condition: Callable[[str | None, frozenset[str], str], Any]) -> None:
    match = getattr(definition.trigger, "match", None)
    if match is not None:
        condition(match.where, frozenset({"event"}), "/trigger/match/where")


def _looks_back(step: StepDefinition) -> bool:
    """Whether a step's own expressions may look at outputs of others; what stands inside it looks for itself."""
    own = {name: value for name, value in step.with_.items() if name not in {"steps", "branches"}}
    return "steps" in str(own) or "steps" in str(step.if_)


def _find(value: Any, path: tuple[int | str, ...]) -> Any:
    """Follow a path as far as it leads."""
    for part in path:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return value
    return value


def _pointer(path: tuple[int | str, ...]) -> str:
    return "".join(f"/{templates.escape(str(part))}" for part in path)
