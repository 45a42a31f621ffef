"""What a name may be: of a workflow, a step or a binding; and the names that expressions see."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field

ROOTS = frozenset({"trigger", "input", "steps", "run", "event"})
_ESCAPED = re.compile(r"%(2e|2f|5c|00)", re.IGNORECASE)


def check(text: str) -> str:
    """Refuse control characters and spellings of a path that climbs; the text is answered unchanged."""
    if any(ord(letter) < 32 or ord(letter) == 127 for letter in text):
        raise ValueError("a name holds no control characters")
    if ".." in text or _ESCAPED.search(text):
        raise ValueError("a name holds no '..' and no percent-escaped path characters")
    if not text.strip():
        raise ValueError("a name holds more than spaces")
    return text


Name = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(check)]
StepId = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_-]{0,63}$")]
Binding = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
