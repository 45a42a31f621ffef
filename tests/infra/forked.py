"""What the fork server's tests have it call; imported in the children alone."""

import os
import random
import secrets
import socket
import sys
import time
from pathlib import Path

from shared import ids


def write_facts(path: str, *sockets: socket.socket) -> int:
    """Write down what this child is and has."""
    ports = [str(bound.getsockname()[1]) for bound in sockets]
    facts = [str(os.getpid()), os.environ["COLOUR"], str(ids.new()), str(random.random()), secrets.token_hex(4), *ports]
    Path(path).write_text("\n".join(facts))
    print("written down", flush=True)
    return 3


def write_modules(path: str) -> int:
    """Write down what this child found read already."""
    Path(path).write_text("\n".join(sys.modules))
    return 0


def wait(_path: str) -> int:
    """Live until killed."""
    time.sleep(60)
    return 0


def fail(_path: str) -> int:
    """End as a crash does."""
    raise RuntimeError("on purpose")
