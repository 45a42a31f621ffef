"""Known vulnerabilities of the locked packages: `python -m infra.local.audit`, for which pip-audit asks a database.

Ends with 0 when none is known, with 1 when some are, and with 3 when the public database cannot be reached, in which
case nothing was looked up. It stands outside of `check`, whose verdict must not depend on the network or on the day.
"""

import subprocess
import sys

from infra.local.home import ROOT

LOCKS = ("requirements/dev.lock", "requirements/tools.lock")
FOUND = "known vulnerabilit"
UNREACHABLE = 3


def main(arguments: list[str]) -> int:
    """Looks up every lock; arguments go to pip-audit."""
    return max(_audit(lock, arguments) for lock in LOCKS)


def _audit(lock: str, arguments: list[str]) -> int:
    command = [sys.executable, "-m", "pip_audit", "--require-hashes", "--disable-pip", "--progress-spinner", "off"]
    done = subprocess.run([*command, "-r", lock, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return judge(lock, done)


def judge(lock: str, done: "subprocess.CompletedProcess[str]") -> int:
    """Says what came out, and turns it into an exit status."""
    told = f"{done.stdout}\n{done.stderr}".strip()
    if done.returncode == 0:
        print(f"{lock}: no known vulnerabilities")
        return 0
    if FOUND in told:
        print(f"{lock}:\n{told}", file=sys.stderr)
        return 1
    last = told.splitlines()[-1][:300] if told else "no word"
    print(f"{lock}: nothing was looked up, the database of vulnerabilities cannot be reached ({last})", file=sys.stderr)
    return UNREACHABLE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
