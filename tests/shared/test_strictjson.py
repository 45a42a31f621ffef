"""Attacks 32 to 34: JSON that could be misread is refused."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import errors, strictjson


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": NaN}', b'{"a": Infinity}', b'{"a": 1e400}', b'{"a": 99999999999999999999999}',
        b'{"a": "\\ud800"}', b'{"\\udfff": 1}', b'{"a": "\\u0000"}', b"[" * 1000 + b"]" * 1000,
        b'{"a":' * 100 + b"1" + b"}" * 100,
    ],
    ids=["nan", "infinity", "1e400", "integer", "surrogate", "surrogate-name", "nul", "depth-list", "depth-object"],
)  # fmt: skip
def test_unstorable_values_are_422(body: bytes) -> None:
    with pytest.raises(errors.Invalid) as refused:
        strictjson.parse(body)
    assert refused.value.slug == "invalid-json"


def test_extreme_depth_does_not_exhaust_the_stack() -> None:
    with pytest.raises(errors.Invalid):
        strictjson.parse(b"[" * 400_000)


@pytest.mark.parametrize("body", [b"", b"{", b"{'a': 1}", b'{"a": 1,}', b"\xff\xfe", b'{"a": 1, "a": 2}'])
def test_malformed_documents_are_400(body: bytes) -> None:
    with pytest.raises(errors.BadRequest) as refused:
        strictjson.parse(body)
    assert refused.value.slug == "malformed-json"


def test_inside_data_the_last_duplicate_wins() -> None:
    assert strictjson.parse(b'{"data": {"a": 1, "a": 2}}') == {"data": {"a": 2}}


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))
numbers = st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)


@given(json_values)
def test_good_documents_mean_what_json_means(value: object) -> None:
    assert strictjson.parse(json.dumps(value).encode()) == value
