"""What a crash writes down: where it happened, and nothing of what was being worked on."""

import subprocess
import sys

import orjson

CRASH = """
from shared import log

log.configure("events", "events-1")


def crash(body):
    opened = body.upper()
    raise RuntimeError("nothing of the body")


try:
    crash("what somebody told us in confidence")
except RuntimeError:
    log.get("here").exception("request-crashed")
"""


def test_a_crash_is_logged_without_what_was_at_hand() -> None:
    result = subprocess.run([sys.executable, "-c", CRASH], capture_output=True, text=True, check=True)
    assert "confidence" not in result.stderr.lower()
    entry = orjson.loads(result.stderr)
    frames = entry["exception"][0]["frames"]
    assert [frame["name"] for frame in frames][-1] == "crash"
    assert not any(frame.get("locals") for frame in frames)
