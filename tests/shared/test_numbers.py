"""Large numbers that people store come back as something that every writer of JSON can write."""

import orjson
import pytest
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from shared.database import Database


@pytest.mark.parametrize("text", ["1e30", "-1e30", "18446744073709551616", "-9223372036854775809", "1e300"])
async def test_a_number_beyond_64_bits_can_be_written_again(database: Database, text: str) -> None:
    async with database.system() as session:
        found = await session.scalar(sa.select(sa.cast(sa.literal(text, sa.Text), JSONB)))
    assert found == float(text)
    assert orjson.loads(orjson.dumps(found)) == float(text)


@pytest.mark.parametrize("text", ["9007199254740993", "18446744073709551615", "-9223372036854775808"])
async def test_a_number_of_64_bits_stays_exact(database: Database, text: str) -> None:
    async with database.system() as session:
        assert await session.scalar(sa.select(sa.cast(sa.literal(text, sa.Text), JSONB))) == int(text)
