"""JSON as it is sent: the fast encoder and, for what it refuses, the standard one say the same."""

import json
from typing import Any

import pytest

from client import wire


@pytest.mark.parametrize(
    "value", [{"a": [1, 2.5, None, True, "ünïcode \u2028"]}, {"many": 2**70}, {"half": "\ud800"}, {1: "one"}]
)
def test_what_is_encoded_reads_the_same(value: Any) -> None:
    assert json.loads(wire.encode(value)) == json.loads(json.dumps(value))
