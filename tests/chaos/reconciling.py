"""Comparing what clients were promised with what the API and the sink say."""

from collections import defaultdict
from collections.abc import Sequence

from tests.chaos.stand import Stand


async def runs(stand: Stand) -> dict[str, str]:
    """Every run of the user's organisation by its id, with its status."""
    found: dict[str, str] = {}
    cursor = ""
    while True:
        status, page = await stand.call("GET", f"/runs?limit=200{cursor}")
        if status != 200:
            raise RuntimeError(f"the list of runs answered {status}")
        found |= {item["id"]: item["status"] for item in page["items"]}
        if not page["next_cursor"]:
            return found
        cursor = f"&cursor={page['next_cursor']}"


async def reconcile(
    stand: Stand, accepted: Sequence[str], steps: Sequence[str], *, may_retry: bool = False
) -> list[str]:
    """Faults: runs lost or not succeeded, effects missing or doubled, attempts spent on what was no failure."""
    ended = await runs(stand)
    lost = [run for run in accepted if run not in ended]
    bad = [run for run in accepted if ended.get(run) not in {"succeeded", None}]
    performed: dict[tuple[str, str], int] = defaultdict(int)
    for entry in (await stand.ledger()).values():
        performed[entry["run"], entry["step"]] += entry["effects"]
    wanted = {(run, step) for run in accepted for step in steps}
    missing = [pair for pair in wanted if performed.get(pair, 0) == 0]
    doubled = [pair for pair in wanted if performed.get(pair, 0) > 1]
    told = await stand.rows("workflows", "SELECT DISTINCT error::text FROM run WHERE error IS NOT NULL LIMIT 3")
    spent = (await stand.rows("workflows", "SELECT count(*) FROM run_step WHERE attempts > 1"))[0][0]
    faults = [
        f"{len(lost)} accepted runs are lost" if lost else "",
        f"{len(bad)} runs have not succeeded, such as {bad[0]} ({ended[bad[0]]})" if bad else "",
        f"the errors: {[row['error'] for row in told]}" if bad else "",
        f"{len(missing)} effects are missing" if missing else "",
        f"{len(doubled)} effects happened twice" if doubled else "",
        f"{spent} steps spent an attempt" if spent and not may_retry else "",
    ]
    return [fault for fault in faults if fault]
