"""Idempotency-Key: one effect, one answer, however often and however concurrently it is asked."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa

from shared import clock, errors, idempotency
from shared.database import Database
from tests.shared.conftest import KEYS, NOTES

HOME = uuid4()


async def post(database: Database, key: str | None, text: str, *, delay: float = 0) -> idempotency.Answer:
    async with database.session(HOME) as session:

        async def produce() -> tuple[int, Any]:
            await asyncio.sleep(delay)
            row = sa.insert(NOTES).values(organization_id=HOME, text=text).returning(NOTES.c.id)
            return 201, {"z": await session.scalar(row), "a": text}

        return await idempotency.run(
            session, KEYS, organization_id=HOME, route="POST /notes", key=key, request={"text": text}, produce=produce
        )


async def count(database: Database) -> int:
    async with database.session(HOME) as session:
        return await session.scalar(sa.select(sa.func.count()).select_from(NOTES)) or 0


async def test_a_replay_gives_the_very_body(database: Database) -> None:
    first = await post(database, "k", "hello")
    again = await post(database, "k", "hello")
    assert (again.status, again.body, again.replayed) == (201, first.body, True)
    assert list(again.body) == ["z", "a"]
    assert await count(database) == 1


async def test_concurrent_requests_share_one_effect(database: Database) -> None:
    answers = await asyncio.gather(*(post(database, "k", "hello", delay=0.2) for _ in range(4)))
    assert len({str(answer.body) for answer in answers}) == 1
    assert sum(not answer.replayed for answer in answers) == 1
    assert await count(database) == 1


async def test_b41_another_request_under_the_same_key_is_refused(database: Database) -> None:
    await post(database, "k", "hello")
    with pytest.raises(errors.Invalid, match="idempotency-mismatch"):
        await post(database, "k", "other")


@pytest.mark.parametrize("key", ["", "x" * 256], ids=["empty", "long"])
async def test_b41_malformed_keys_are_refused(database: Database, key: str) -> None:
    with pytest.raises(errors.Invalid, match="idempotency-mismatch"):
        await post(database, key, "hello")


async def test_a_failed_effect_leaves_the_key_free(database: Database) -> None:
    with pytest.raises(sa.exc.IntegrityError):
        await post(database, "k", None)  # type: ignore[arg-type]
    assert not (await post(database, "k", "hello")).replayed


async def test_without_a_key_every_request_has_its_effect(database: Database) -> None:
    await post(database, None, "hello")
    await post(database, None, "hello")
    assert await count(database) == 2


async def test_keys_are_forgotten_after_a_day(database: Database) -> None:
    await post(database, "k", "hello")
    async with database.system() as session:
        await session.execute(sa.update(KEYS).values(created_at=clock.now() - timedelta(hours=25)))
    assert not (await post(database, "k", "other")).replayed
