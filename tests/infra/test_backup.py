"""Backup and restore of a whole stack, and migrations of a running one."""

import io
import json
import stat
import tarfile
from collections.abc import Callable
from pathlib import Path

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

        _check_verification(second, file)
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


def _check_verification(stack: OwnStack, file: Path) -> None:
    """A good backup is found good; what is damaged or incomplete is named, before anything is restored."""
    good = stack.run("verify", str(file), module=BACKUP)
    assert good.returncode == 0, good.stderr
    assert "4 databases with " in good.stdout
    for name, change in CHANGES.items():
        refused = stack.run("restore", str(_changed(file, change)), module=BACKUP)
        assert (refused.returncode, name in refused.stderr) == (1, True), refused.stderr
    short = stack.run("verify", str(_changed(file, _expect_more)), module=BACKUP)
    assert (short.returncode, "public.kept" in short.stderr) == (1, True), short.stderr
    assert not (stack.home.folder / "postgres").exists()


def _flip(contents: dict[str, bytes]) -> None:
    dump = contents[f"{SERVICE}.dump"]
    middle = len(dump) // 2
    contents[f"{SERVICE}.dump"] = dump[:middle] + bytes([dump[middle] ^ 1]) + dump[middle + 1 :]


def _lose_a_key(contents: dict[str, bytes]) -> None:
    del contents["secrets/credential_keys"]


def _lose_the_manifest(contents: dict[str, bytes]) -> None:
    del contents["manifest.json"]


def _expect_more(contents: dict[str, bytes]) -> None:
    manifest = json.loads(contents["manifest.json"])
    manifest["rows"][SERVICE]["public.kept"] += 1
    contents["manifest.json"] = json.dumps(manifest).encode()


CHANGES = {f"{SERVICE}.dump": _flip, "secrets/credential_keys": _lose_a_key, "manifest": _lose_the_manifest}


def _changed(file: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """A copy of a backup with other contents, by their names."""
    with tarfile.open(file) as archive:
        contents = {entry.name: reader.read() for entry in archive if (reader := archive.extractfile(entry))}
    change(contents)
    copy = file.with_name("changed.tar")
    with tarfile.open(copy, "w") as archive:
        for name, content in contents.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return copy


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
