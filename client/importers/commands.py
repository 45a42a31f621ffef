"""Shell commands as events: the type names the program and its verb, the subject is the masked command."""

import re
import shlex
from datetime import datetime

from client import masking
from client.importers import drafts
from client.importers.drafts import Event

_ASSIGNMENT = re.compile(r"^[A-Za-z_]\w*\+?=")
_PROGRAM = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9._+-]{0,63}$|^[.:\[]$")
_WRAPPERS = frozenset({
    "sudo", "doas", "env", "time", "nohup", "nice", "ionice", "command", "builtin", "exec", "watch", "xargs",
    "strace", "stdbuf", "setsid", "caffeinate",
})  # fmt: skip
# Short options of theirs that take a value.
_WRAPPER_VALUES = {
    "sudo": "ugpCTh", "doas": "uC", "nice": "n", "ionice": "cnp", "watch": "n", "env": "uCS", "time": "fo",
    "xargs": "nPIdLsE", "strace": "eops", "stdbuf": "ioe",
}  # fmt: skip
_WITH_VERB = frozenset({
    "apt", "apt-get", "aws", "az", "brew", "bundle", "cargo", "composer", "conda", "dnf", "docker",
    "docker-compose", "dotnet", "flatpak", "gcloud", "gh", "git", "glab", "go", "helm", "ip", "journalctl", "just",
    "k", "kubectl", "launchctl", "make", "mix", "mvn", "netplan", "nix", "npm", "npx", "pacman", "pip", "pip3",
    "pipenv", "pipx", "pnpm", "podman", "poetry", "rake", "rails", "rustup", "service", "snap", "systemctl", "task",
    "terraform", "tofu", "ufw", "uv", "vagrant", "virsh", "yarn", "yum", "zypper",
})  # fmt: skip
_OPTION_VALUES = {"git": "Cc", "docker": "Hc", "kubectl": "ns", "make": "Cfj", "docker-compose": "fp"}
_VERB = re.compile(r"^[a-z][a-z0-9:_-]{0,31}$")
_SERVICE_FIRST = "service"


def program(command: str) -> tuple[str, str | None]:
    """The program that a command line starts and its verb, as in ("git", "push"); ("other", None) if none is told."""
    words = _words(command)
    while words:
        word = words.pop(0)
        if _ASSIGNMENT.match(word):
            continue
        name = word.rpartition("/")[2] or word
        if name in _WRAPPERS and words:
            words = _without_options(words, _WRAPPER_VALUES.get(name, ""))
            continue
        if not _PROGRAM.match(name) or masking.looks_random(name):
            return "other", None
        return name, _verb(name, words)
    return "other", None


def event(
    source: str,
    command: str,
    time: datetime,
    *,
    actor: str | None,
    secrets: set[str],
    data: dict[str, object] | None = None,
) -> Event | None:
    """The event of one command line, masked; None when there is nothing to tell."""
    masked = masking.mask_words(masking.mask(command.strip()), secrets)
    if not masked or masked.startswith("#"):
        return None
    name, verb = program(masked)
    details = {"command": masked, "program": name, **masking.mask_data(data or {}, secrets)}
    kind = f"command.{name}.{verb}" if verb else f"command.{name}"
    return drafts.event(source, kind, time, actor=actor, subject=masked, data=details)


def _words(command: str) -> list[str]:
    first = re.split(r"[|;&\n]", command.replace("\\\n", " ").lstrip("({ \t"), maxsplit=1)[0]
    try:
        return shlex.split(first)
    except ValueError:
        return first.split()


def _without_options(words: list[str], with_value: str) -> list[str]:
    rest = list(words)
    while rest and rest[0].startswith("-") and len(rest) > 1:
        option = rest.pop(0)
        if len(option) == 2 and option[1] in with_value and len(rest) > 1:
            rest.pop(0)
    return rest


def _verb(name: str, words: list[str]) -> str | None:
    if name.startswith("python") and "-m" in words[:-1]:
        return _checked(words[words.index("-m") + 1])
    if name not in _WITH_VERB:
        return None
    rest = _without_options(words, _OPTION_VALUES.get(name, ""))
    if name == _SERVICE_FIRST:
        rest = rest[1:]
    return _checked(rest[0]) if rest else None


def _checked(word: str) -> str | None:
    return word if _VERB.match(word) else None
