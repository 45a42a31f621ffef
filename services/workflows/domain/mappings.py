"""JMESPath mappings with a budget: an expression may look at so many values and no more.

JMESPath has no loops, but `[@,@]|[@,@]|…` doubles its result at each step, so length alone bounds nothing. The
interpreter here pays for every value it builds out of one purse and stops when the purse is empty.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jmespath
from jmespath import exceptions, functions, visitor

from shared import captures

LONGEST = 1_000
BUDGET = 200_000
_BUILDERS = frozenset({"multi_select_list", "multi_select_dict", "function_expression", "flatten"})


class Refused(ValueError):
    """The mapping cannot be compiled, or reads names that do not exist."""


class Unanswered(ValueError):
    """The mapping is sound but fails on these values."""


class Exceeded(Unanswered):
    """The mapping builds more than its budget allows."""


class Purse:
    """What one rendering may still spend: one unit a value, and one for each 64 characters of text."""

    def __init__(self, left: int = BUDGET) -> None:
        self.left = left

    def pay(self, amount: int) -> None:
        self.left -= amount
        if self.left < 0:
            raise Exceeded("the mapping builds more values than it may")

    def pay_for(self, value: Any) -> None:
        """Pay for every value inside, so that shared parts cost as often as they would be written out."""
        pending = [value]
        while pending:
            item = pending.pop()
            self.pay(1 + len(item) // 64 if isinstance(item, str) else 1)
            if isinstance(item, Mapping):
                pending.extend(item.values())
            elif isinstance(item, list):
                pending.extend(item)


class _Functions(functions.Functions):
    """The library's functions, and one that takes a part of a text."""

    @functions.signature({"types": ["string", "null"]}, {"types": ["string"]}, {"types": ["number"]})
    def _func_capture(self, text: str | None, pattern: str, number: float) -> str | None:
        """capture(event.subject, 'PR #* of *', `1`): what stands for the first `*`, null where the text is another."""
        found = captures.parts(text, pattern) if text is not None else None
        return found[int(number) - 1] if found and 1 <= number <= len(found) else None


class _Interpreter(visitor.TreeInterpreter):
    """The library's interpreter, paying for each node it visits and each value it builds."""

    def __init__(self, purse: Purse) -> None:
        super().__init__(visitor.Options(custom_functions=_FUNCTIONS))
        self.purse = purse

    def visit(self, node: Any, *args: Any, **kwargs: Any) -> Any:
        self.purse.pay(1)
        result = super().visit(node, *args, **kwargs)
        if node["type"] in _BUILDERS:
            self.purse.pay_for(result)
        return result


_FUNCTIONS = _Functions()


@dataclass(frozen=True, slots=True)
class JmesPath:
    """A compiled mapping."""

    source: str
    tree: Any
    path: tuple[str, ...] | None

    def search(self, names: Mapping[str, Any], purse: Purse) -> Any:
        """Answer the value, paid for; a path that leads nowhere answers None as JMESPath has it."""
        try:
            value = _walk(self.path, names) if self.path else _Interpreter(purse).visit(self.tree, dict(names))
            purse.pay_for(value)
            return value
        except Exceeded:
            raise
        except (exceptions.JMESPathError, ValueError, TypeError, ArithmeticError, RecursionError) as problem:
            raise Unanswered(str(problem)[:200] or type(problem).__name__) from None


@functools.lru_cache(maxsize=4096)
def compile_mapping(source: str, roots: frozenset[str]) -> JmesPath:
    """Compile a mapping that may read the names `roots`; Refused says why not."""
    if len(source) > LONGEST:
        raise Refused(f"a mapping has at most {LONGEST} characters")
    try:
        tree = jmespath.compile(source).parsed
        _check(tree, roots, top=True)
    except (exceptions.JMESPathError, ValueError, RecursionError) as problem:
        raise Refused((str(problem).splitlines() or ["it cannot be read"])[0][:200]) from None
    return JmesPath(source, tree, _plain(tree))


def _check(node: Any, roots: frozenset[str], *, top: bool) -> None:
    """Walk the tree: fields read from the outermost value are known names, and none begins with two underscores."""
    kind, children = node["type"], node.get("children", [])
    if kind == "field":
        name = node["value"]
        if name.startswith("__"):
            raise Refused("a field that begins with two underscores is never read")
        if top and name not in roots:
            raise Refused(f"unknown name {name!r}; known are {', '.join(sorted(roots))}")
    if kind in {"subexpression", "index_expression", "pipe", "projection", "value_projection", "filter_projection"}:
        _check(children[0], roots, top=top)
        for child in children[1:]:
            _check(child, roots, top=False)
        return
    for child in children:
        _check(child, roots, top=top and kind != "expref")


def _plain(tree: Any) -> tuple[str, ...] | None:
    """Answer the names of a plain path (a.b.c), which needs no interpreter, or None."""
    if tree["type"] == "field":
        return (tree["value"],)
    if tree["type"] == "subexpression" and all(child["type"] == "field" for child in tree["children"][1:]):
        head = _plain(tree["children"][0])
        return head and (*head, *(child["value"] for child in tree["children"][1:]))
    return None


def _walk(path: tuple[str, ...], value: Any) -> Any:
    for name in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value
