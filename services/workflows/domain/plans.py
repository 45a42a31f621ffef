"""Plans of versions: compiled once in a process, because a version never changes."""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from services.workflows.domain import plan
from services.workflows.domain.definition import Definition
from services.workflows.domain.plan import Plan
from services.workflows.step import catalog
from services.workflows.storage import workflows

MOST = 1_024
Key = tuple[UUID, int]
_compiled: "OrderedDict[Key, Plan]" = OrderedDict()


async def find(connection: Any, keys: Iterable[Key]) -> dict[Key, Plan | str]:
    """The plan of each (workflow, version), or the text of one that this process has not compiled yet."""
    found: dict[Key, Plan | str] = {}
    for key in set(keys):
        if key in _compiled:
            _compiled.move_to_end(key)
            found[key] = _compiled[key]
    missing = set(keys) - found.keys()
    return {**found, **await workflows.definitions(connection, missing)} if missing else found


def compiled(key: Key, found: Plan | str) -> Plan:
    """What `find` answered as a plan; errors.Invalid when the version is not sound by today's rules."""
    if isinstance(found, Plan):
        return found
    made = plan.build(Definition.model_validate_json(found), catalog())
    _compiled[key] = made
    while len(_compiled) > MOST:
        _compiled.popitem(last=False)
    return made
