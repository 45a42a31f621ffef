"""JSON as strict as PostgreSQL and our callers need: what could be misread is refused."""

import json
import math
from typing import Any, NoReturn

from shared import errors

MAX_DEPTH = 64
MAX_INTEGER = 2**64


class _Duplicated(dict[str, Any]):
    """An object in which a name stood more than once; the last value won."""


def parse(body: bytes, *, free: str | None = "data") -> Any:
    """Decodes one document.

    Raises BadRequest `malformed-json` for syntax and for duplicate names outside members called `free`,
    Invalid `invalid-json` for depth over 64, NaN, numbers out of range, lone surrogates and U+0000.
    """
    try:
        value = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_build,
            parse_constant=_refuse_constant,
            parse_float=_parse_float,
            parse_int=_parse_int,
        )
    except UnicodeDecodeError:
        raise errors.BadRequest("malformed-json", "The body is not UTF-8.") from None
    except RecursionError:
        raise _invalid("", f"Nested deeper than {MAX_DEPTH} levels.") from None
    except json.JSONDecodeError as error:
        raise errors.BadRequest("malformed-json", f"{error.msg} at byte {error.pos}.") from None
    _check(value, "", 0, free=free, inside=False, deep=_suspicious(body))
    return value


def _suspicious(body: bytes) -> bool:
    """False when nothing in the bytes can break a rule, so that plain documents skip the walk over strings."""
    return b"\\u" in body or b"\x00" in body


def _build(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    return value if len(value) == len(pairs) else _Duplicated(value)


def _refuse_constant(name: str) -> NoReturn:
    raise _invalid("", f"{name} is not a JSON number.")


def _parse_float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise _invalid("", "A number is out of range.")
    return value


def _parse_int(text: str) -> int:
    value = int(text) if len(text) <= 20 else MAX_INTEGER + 1
    if abs(value) > MAX_INTEGER:
        raise _invalid("", "A number is out of range.")
    return value


def _check(value: Any, pointer: str, depth: int, *, free: str | None, inside: bool, deep: bool) -> None:
    if depth > MAX_DEPTH:
        raise _invalid("", f"Nested deeper than {MAX_DEPTH} levels.")
    if isinstance(value, dict):
        if isinstance(value, _Duplicated) and not inside:
            raise errors.BadRequest("malformed-json", f"A name stands twice in the object at '{pointer}'.")
        for name, item in value.items():
            if deep:
                _check_text(name, pointer)
            _check(item, f"{pointer}/{name}", depth + 1, free=free, inside=inside or name == free, deep=deep)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _check(item, f"{pointer}/{index}", depth + 1, free=free, inside=inside, deep=deep)
    elif deep and isinstance(value, str):
        _check_text(value, pointer)


def _check_text(text: str, pointer: str) -> None:
    if "\x00" in text:
        raise _invalid(pointer, "U+0000 cannot be stored.")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise _invalid(pointer, "A lone surrogate is not a character.") from None


def _invalid(pointer: str, detail: str) -> errors.Invalid:
    return errors.invalid_field(pointer, detail, slug="invalid-json")
