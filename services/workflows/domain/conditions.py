"""CEL conditions: compiled when they are saved, and refused when evaluating them could hold the interpreter long.

CEL runs in native code that holds the GIL, so a bound must stand before the call. Measured on this library: one
iteration of a macro costs about 0.3 µs an operation, one string copied by a macro about 0.1 µs a byte, a counted
repetition in a pattern about 15 ns for each byte of text and repetition. The three budgets below keep each of
them under half a second.
"""

import functools
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

# The package brings a command line along, whose imports cost every start 0.3 s of CPU and 23 MiB.
sys.modules.setdefault("cel.cli", ModuleType("cel.cli"))

import cel  # noqa: E402

LONGEST = 1_000
DEEPEST = 2
OPERATIONS = 1_000_000
COPIED = 4 << 20
NODES = 200_000
MATCHED = 4_000_000
# The library finds out that a function is none only when it is called, which is too late for whoever saved it.
FUNCTIONS = frozenset({
    "size", "contains", "startsWith", "endsWith", "matches", "int", "uint", "double", "string", "bytes", "type", "dyn",
    "duration", "timestamp", "getFullYear", "getMonth", "getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear",
    "getHours", "getMinutes", "getSeconds", "getMilliseconds",
})  # fmt: skip
_MACRO = re.compile(r"\.\s*(all|exists|exists_one|map|filter)\s*\(")
_BINDER = re.compile(_MACRO.pattern + r"\s*([A-Za-z_]\w*)\s*,")
_LITERAL = re.compile(r"""[rRbB]{0,2}('''.*?'''|\"\"\".*?\"\"\"|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*")""", re.DOTALL)
_MATCHES = re.compile(r"matches\s*\(")
_PATTERN = re.compile(r"matches\s*\(\s*'(\d+)'\s*\)")
_COUNTED = re.compile(r"\{(\d+)(?:,(\d*))?\}")


class Refused(ValueError):
    """The condition cannot be compiled, or is outside the bounds."""


class Unanswered(ValueError):
    """The condition is sound but has no answer on these values."""


class Exceeded(Unanswered):
    """These values are too large for this condition."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A compiled condition with the figures that its cost is reckoned from."""

    source: str
    program: Any
    roots: frozenset[str]
    depth: int
    macros: int
    joins: int
    copies: bool
    repetitions: int

    def value(self, names: Mapping[str, Any]) -> Any:
        """Evaluate; a missing field is Unanswered, values beyond the bounds are Exceeded."""
        return self._execute({name: names[name] for name in self.roots if name in names})

    def holds(self, names: Mapping[str, Any]) -> bool:
        """Evaluate to true or false; anything else is Unanswered too."""
        result = self.value(names)
        if not isinstance(result, bool):
            raise Unanswered("the condition answers neither true nor false")
        return result

    def _execute(self, names: Mapping[str, Any]) -> Any:
        self._weigh(names)
        try:
            return self.program.execute(names)
        except KeyError as problem:
            raise Unanswered(f"there is no field {str(problem)[:100]}") from None
        except (RuntimeError, TypeError, ValueError, ArithmeticError, RecursionError) as problem:
            raise Unanswered(_first_line(problem)) from None

    def _weigh(self, names: Mapping[str, Any]) -> None:
        size = measure(names)
        rounds = max(1, (size.widest + 50) * (1 + self.joins)) ** self.depth * max(1, self.macros)
        if size.nodes > NODES or rounds * (1 + len(self.source) // 10) > OPERATIONS:
            raise Exceeded("the lists that the condition reads are too long for it")
        if self.copies and rounds * (1 + self.joins) * size.longest > COPIED:
            raise Exceeded("the texts that the condition builds are too long")
        if self.repetitions and self.repetitions * size.longest * (rounds if self.depth else 1) > MATCHED:
            raise Exceeded("the texts that the condition searches are too long for its pattern")


@dataclass(slots=True)
class Size:
    """What a value weighs: nodes in all, the widest collection, the longest text."""

    nodes: int = 0
    widest: int = 0
    longest: int = 0


def measure(value: Any) -> Size:
    """Walk a JSON value without recursion; it stops counting once the value is over every bound."""
    size, pending = Size(), [value]
    while pending and size.nodes <= NODES:
        item = pending.pop()
        size.nodes += 1
        if isinstance(item, str):
            size.longest = max(size.longest, len(item))
        elif isinstance(item, Mapping):
            size.widest = max(size.widest, len(item))
            pending.extend(item.values())
        elif isinstance(item, list | tuple):
            size.widest = max(size.widest, len(item))
            pending.extend(item)
    return size


@functools.lru_cache(maxsize=4096)
def compile_condition(source: str, roots: frozenset[str]) -> Condition:
    """Compile and bound a condition that may read the names `roots`; Refused says why not."""
    if len(source) > LONGEST:
        raise Refused(f"a condition has at most {LONGEST} characters")
    bare, literals = _without_literals(source)
    depth, macros = _macros(bare)
    if depth > DEEPEST:
        raise Refused(f"macros are nested at most {DEEPEST} deep")
    try:
        program = cel.compile(source)
    except (ValueError, RuntimeError, TypeError, RecursionError) as problem:
        raise Refused(_first_line(problem)) from None
    read = frozenset(program.variables()) - _bound(bare)
    if read - roots:
        raise Refused(f"unknown name {min(read - roots)!r}; known are {', '.join(sorted(roots))}")
    unknown = {name for name in program.functions() if name.isidentifier() and name[0] != "_"} - FUNCTIONS
    if unknown:
        raise Refused(f"unknown function {min(unknown)!r}; known are {', '.join(sorted(FUNCTIONS))}")
    joins = bare.count("+")
    copies = joins > 0 or ".map" in bare.replace(" ", "")
    return Condition(source, program, read, depth, macros, joins, copies, _repetitions(bare, literals))


def _without_literals(source: str) -> tuple[str, list[str]]:
    """Put '0', '1', … in the place of each text literal, so that what is in quotes is never read as code."""
    literals: list[str] = []

    def keep(match: re.Match[str]) -> str:
        literals.append(match.group(1))
        return f"'{len(literals) - 1}'"

    return _LITERAL.sub(keep, source), literals


def _macros(bare: str) -> tuple[int, int]:
    """Count how deep macros stand inside each other's brackets, and how many there are."""
    starts = {match.end() - 1 for match in _MACRO.finditer(bare)}
    deepest, stack = 0, []
    for index, letter in enumerate(bare):
        if letter == "(":
            stack.append(index in starts)
            deepest = max(deepest, sum(stack))
        elif letter == ")" and stack:
            stack.pop()
    return deepest, len(starts)


def _bound(bare: str) -> frozenset[str]:
    return frozenset(name for _, name in _BINDER.findall(bare))


def _repetitions(bare: str, literals: list[str]) -> int:
    """Add up how often the patterns repeat by count; a pattern must stand in the condition as text."""
    uses = _MATCHES.findall(bare)
    written = [literals[int(number)] for number in _PATTERN.findall(bare)]
    if len(uses) != len(written):
        raise Refused("matches() takes a pattern written in the condition, never one from data")
    total = len(uses)
    for pattern in written:
        if len(pattern) > 200:
            raise Refused("a pattern has at most 200 characters")
        counted = [int(high or low) for low, high in _COUNTED.findall(pattern)]
        total += functools.reduce(lambda product, count: product * max(1, count), counted, 1)
    if total > 1_000:
        raise Refused("a pattern repeats by count at most 1,000 times in all")
    return total


def _first_line(problem: BaseException) -> str:
    return str(problem).splitlines()[0][:200] if str(problem) else type(problem).__name__
