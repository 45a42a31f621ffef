"""The look-up of known vulnerabilities tells an empty answer, a find, and no answer at all from each other."""

import subprocess

import pytest

from infra.local import audit


def done(status: int, out: str = "", err: str = "") -> "subprocess.CompletedProcess[str]":
    return subprocess.CompletedProcess([], status, out, err)


@pytest.mark.parametrize(
    ("outcome", "status", "told"),
    [
        (done(0), 0, "no known vulnerabilities"),
        (done(1, "Name Version ID\nurllib3 1 CVE-1", "Found 1 known vulnerability in 1 package"), 1, "CVE-1"),
        (
            done(1, "", "ERROR:pip_audit._cli:Could not connect to PyPI's vulnerability feed"),
            3,
            "nothing was looked up",
        ),
    ],
)
def test_outcomes(
    outcome: "subprocess.CompletedProcess[str]", status: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert audit.judge("requirements/dev.lock", outcome) == status
    assert told in "".join(capsys.readouterr())
