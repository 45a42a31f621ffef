"""JSON as it is sent."""

import json
from typing import Any

import orjson


def encode(value: Any) -> bytes:
    """A value as JSON; what the fast encoder refuses, such as numbers of more than 64 bits, the standard one writes."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value, default=str).encode()
