"""Backup and restore of a whole stack, and migrations of a running one."""

import stat
import tarfile

import pytest

from tests.infra.stacks import SERVICE, OwnStack, own_stack

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("own-stack")]
BACKUP = "infra.local.backup"
DATABASE = "infra.local.database"


async def test_restored_stack_has_the_data_and_the_keys() -> None:
    with own_stack() as first, own_stack() as second:
        assert first.up().returncode == 0
        await first.execute("CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n", SERVICE)
        file = first.home.folder / "backup.tar"
        written = first.run("write", str(file), module=BACKUP)
        assert written.returncode == 0, written.stderr
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        _check_without_keys(first)
        _check_migrations(first)
        refused = first.run("restore", str(file), module=BACKUP)
        assert refused.returncode == 1
        assert "./taskw down" in refused.stderr
        assert first.run("down").returncode == 0

        restored = second.run("restore", str(file), module=BACKUP)
        assert restored.returncode == 0, restored.stderr
        assert second.up().returncode == 0
        assert (await second.execute("SELECT count(*) FROM kept", SERVICE))[0][0] == 1000
        for name in ("secret_key", "credential_keys", f"service_key_{SERVICE}"):
            assert (second.home.secrets / name).read_text() == (first.home.secrets / name).read_text()
        assert second.answer() == 401
        assert second.run("down").returncode == 0
        again = second.run("restore", str(file), module=BACKUP)
        assert again.returncode == 1
        assert "--replace" in again.stderr


def _check_migrations(stack: OwnStack) -> None:
    shown = stack.run("status", module=DATABASE)
    assert shown.returncode == 0
    for line in shown.stdout.splitlines():
        assert line.split(": at ")[1].split(", the code is at ")[0] == line.split("the code is at ")[1]
    assert stack.run("upgrade", SERVICE, module=DATABASE).returncode == 0
    assert stack.run("upgrade", "nothing", module=DATABASE).returncode == 1


def _check_without_keys(stack: OwnStack) -> None:
    file = stack.home.folder / "without-keys.tar"
    assert stack.run("write", str(file), "--without-keys", module=BACKUP).returncode == 0
    with tarfile.open(file) as archive:
        assert not [name for name in archive.getnames() if name.startswith("secrets")]
    content = file.read_bytes()
    assert not [path.name for path in stack.home.secrets.iterdir() if path.read_bytes() in content]


def test_backup_of_a_stopped_stack_says_what_to_do() -> None:
    with own_stack() as stack:
        result = stack.run("write", module=BACKUP)
        assert result.returncode == 1
        assert "./taskw up" in result.stderr
        assert stack.run("upgrade", module=DATABASE).returncode == 3
