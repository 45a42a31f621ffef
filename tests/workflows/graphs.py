"""Random workflows for property tests: graphs of effects, choices, loops and waits, with failures written into them."""

from typing import Any

from hypothesis import strategies as st

LEAVES = ("http", "http", "transform", "delay", "condition", "workflow")
CONTAINERS = ("foreach", "parallel", "parallel")
# What the receiver makes of a call: the last part tells how many attempts it takes.
FATES = ("ok", "ok", "flaky/1", "flaky/2", "refused", "refused", "away")
ADDRESS = "https://example.com/{}"
DEEPEST = 2


@st.composite
def step_lists(draw: st.DrawFn, prefix: str = "s", depth: int = 0) -> list[dict[str, Any]]:
    """A list of steps whose edges lead forward; `child` stands where the id of another workflow belongs."""
    count = draw(st.integers(1, 4 if depth == 0 else 2))
    names = [f"{prefix}{index}" for index in range(count)]
    return [draw(_steps(names, index, depth)) for index in range(count)]


@st.composite
def _steps(draw: st.DrawFn, names: list[str], index: int, depth: int) -> dict[str, Any]:
    name, before, after = names[index], names[:index], names[index + 1 :]
    kind = draw(st.sampled_from(LEAVES + (CONTAINERS if depth < DEEPEST else ())))
    step: dict[str, Any] = {"id": name, "type": kind, "with": draw(_given(kind, name, after, depth))}
    if draw(st.booleans()):
        step["needs"] = draw(st.lists(st.sampled_from(before), unique=True, max_size=2)) if before else []
    if draw(st.integers(0, 4)) == 0:
        step["if"] = draw(st.sampled_from(("1 < 2", "1 > 2", "run.nothing == 1")))
    step["retry"] = {"attempts": draw(st.integers(1, 3)), "initial": "PT0.01S", "factor": 1}
    handling = draw(st.sampled_from(("fail", "continue", "continue", "goto")))
    step["on_error"] = {"goto": draw(st.sampled_from(after))} if handling == "goto" and after else "fail"
    if handling == "continue":
        step["on_error"] = "continue"
    return step


@st.composite
def _given(draw: st.DrawFn, kind: str, name: str, after: list[str], depth: int) -> dict[str, Any]:
    """What stands under `with`."""
    if kind == "foreach":
        items = list(range(draw(st.integers(0, 3))))
        inside = draw(step_lists(f"{name}_", depth + 1))
        return {"items": items, "steps": inside, "concurrency": draw(st.integers(1, 3))}
    if kind == "parallel":
        count = draw(st.integers(1, 2))
        return {"branches": [draw(step_lists(f"{name}_{index}_", depth + 1)) for index in range(count)]}
    later = st.lists(st.sampled_from(after), unique=True, max_size=2) if after else st.just([])
    leaves: dict[str, st.SearchStrategy[dict[str, Any]]] = {
        "http": st.fixed_dictionaries({"method": st.just("POST"), "url": st.sampled_from(FATES).map(ADDRESS.format)}),
        "delay": st.just({"for": "PT0.02S"}),
        "condition": st.fixed_dictionaries({"when": st.sampled_from(("1 < 2", "1 > 2")), "then": later, "else": later}),
        "workflow": st.fixed_dictionaries({"id": st.sampled_from(("good child", "bad child"))}),
        "transform": st.fixed_dictionaries({"output": st.integers(0, 9)}),
    }
    return draw(leaves[kind])
