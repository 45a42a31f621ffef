"""The Python client of Floyo and its command line: `with Floyo.from_environment() as floyo: floyo.events.post(…)`."""

from client.api import Floyo as Floyo
from client.problems import FloyoProblem as FloyoProblem
from client.problems import Unreachable as Unreachable
