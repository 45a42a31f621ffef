"""Passwords: what is accepted, and argon2id in processes of its own."""

import unicodedata
from functools import cache

from services.auth.domain.hashing import Hashers

MIN_LENGTH = 8
MAX_LENGTH = 1_024


@cache
def _known() -> frozenset[str]:
    """Lists of leaked passwords, names and words, in lower case."""
    from zxcvbn.frequency_lists import FREQUENCY_LISTS

    return frozenset(word for words in FREQUENCY_LISTS.values() for word in words if len(word) >= MIN_LENGTH)


def normalise(text: str) -> str:
    """The one form of what different keyboards write for the same characters."""
    return unicodedata.normalize("NFC", text)


def check(text: str) -> str:
    """The normalised password; raises ValueError with a sentence when it is too weak to keep."""
    password = normalise(text)
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        raise ValueError(f"A password has {MIN_LENGTH} to {MAX_LENGTH} characters.")
    if "\x00" in password:
        raise ValueError("A password holds no NUL.")
    if password.lower() in _known() or len(set(password)) < 3:
        raise ValueError("This password is among the first that are tried; choose another.")
    return password


class Passwords:
    """Hashes and verifies in a few processes; refuses work that would wait too long."""

    def __init__(self, processes: int, queue: int) -> None:
        self._hashers = Hashers(processes, queue)
        self.describe = self._hashers.describe
        self._decoy: str | None = None

    async def hash(self, password: str) -> str:
        """The argon2id hash of a checked password."""
        made: str = await self._hashers.ask(None, password)
        return made

    async def verify(self, stored: str | None, password: str) -> bool:
        """Whether the password fits; without a stored hash it costs the same and is wrong."""
        if stored is None:
            stored = self._decoy = self._decoy or await self.hash("the hash of nobody's password")
            await self._hashers.ask(stored, password)
            return False
        fits: bool = await self._hashers.ask(stored, password)
        return fits

    async def close(self) -> None:
        """Ends the processes."""
        await self._hashers.close()
