"""Every metric of the code stands in the table of infra/metrics.md with its kind and labels, and no other does."""

import ast
import re

from tests.architecture.sources import ROOT, all_sources

KINDS = {"Counter": "counter", "Gauge": "gauge", "Histogram": "histogram", "Summary": "summary"}
ROW = re.compile(r"^\| `(floyo_\w+)` \| (\w+) \| ([^|]*)\| ([^|]+) \|$", re.MULTILINE)
Found = dict[str, tuple[str, tuple[str, ...]]]


def in_the_code() -> Found:
    """Name → kind and labels of every metric that shared or a service makes."""
    found: Found = {}
    for source in all_sources():
        if source.path.parts[0] not in {"shared", "services"}:
            continue
        for node in ast.walk(source.tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in KINDS and node.args:
                name = node.args[0]
                if isinstance(name, ast.Constant) and str(name.value).startswith("floyo_"):
                    labels = tuple(ast.literal_eval(node.args[2])) if len(node.args) > 2 else ()
                    found[str(name.value)] = (KINDS[node.func.id], labels)
    return found


def in_the_table() -> Found:
    rows = ROW.findall((ROOT / "infra" / "metrics.md").read_text())
    return {name: (kind, tuple(re.findall(r"`(\w+)`", labels))) for name, kind, labels, _ in rows}


def test_the_table_is_the_code() -> None:
    assert in_the_table() == in_the_code()


def test_names_say_what_is_counted() -> None:
    for name, (kind, _) in in_the_code().items():
        assert re.fullmatch(r"floyo(_[a-z]+)+", name)
        assert name.endswith("_total") == (kind == "counter"), name
        assert kind != "histogram" or name.endswith(("_seconds", "_bytes")), name


def test_labels_are_few_and_hold_no_one_person() -> None:
    """An id, an address or a path as people send it would make a time series each."""
    unbounded = {
        "id",
        "organization",
        "organization_id",
        "user",
        "user_id",
        "key",
        "path",
        "email",
        "address",
        "trace_id",
    }
    for name, (_, labels) in in_the_code().items():
        assert len(labels) <= 4, name
        assert not unbounded & set(labels), name
