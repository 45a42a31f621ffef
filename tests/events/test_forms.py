"""Forms of sending: CloudEvents by their own package, gzip, keys on uploads, and what is told of refusals."""

import gzip
import json
import zlib
from typing import Any

import pytest
from cloudevents.core.bindings import http as binding
from cloudevents.core.v1.event import CloudEvent

from services.events.domain.batches import EVENTS
from tests.events.processes import Tenant

ATTRIBUTES = {
    "id": "from-the-package", "source": "https://example.com/shop", "type": "order.paid", "specversion": "1.0",
    "subject": "order 7", "region": "nørd",
}  # fmt: skip


@pytest.mark.parametrize("mode", ["structured", "binary"])
async def test_cloudevents_package_as_sender(tenant: Tenant, mode: str) -> None:
    event = CloudEvent(attributes={**ATTRIBUTES, "datacontenttype": "application/json"}, data={"total": 12})
    write = binding.to_structured_event if mode == "structured" else binding.to_binary_event
    message = write(event)
    answer = await tenant.client.post("/api/v1/events", content=message.body, headers=dict(message.headers))
    assert answer.status_code == 201, answer.text
    stored = (await tenant.client.get(f"/api/v1/events/{answer.json()['id']}")).json()
    assert stored["external_id"] == "from-the-package"
    assert (stored["source"], stored["type"]) == (ATTRIBUTES["source"], ATTRIBUTES["type"])
    assert (stored["subject"], stored["data"], stored["extensions"]["region"]) == ("order 7", {"total": 12}, "nørd")


@pytest.mark.parametrize("path", ["/api/v1/events", "/api/v1/events/batch"])
async def test_b36_gzip_bomb(tenant: Tenant, path: str) -> None:
    """A few kilobytes that unpack to a hundred megabytes are refused before they are unpacked."""
    bomb = gzip.compress(b"[" + b" " * 100_000_000 + b"]")
    assert len(bomb) < 200_000
    for encoding in ("gzip", "deflate", "br", "gzip, gzip"):
        headers = {"Content-Type": "application/json", "Content-Encoding": encoding}
        body = bomb if "gzip" in encoding else zlib.compress(b"{}")
        answer = await tenant.client.post(path, content=body, headers=headers)
        assert answer.status_code == (413 if encoding == "gzip" else 415), answer.text


async def test_b42_too_many_items_and_one_bad(tenant: Tenant) -> None:
    good = {"source": "s", "type": "t"}
    assert (await tenant.client.post("/api/v1/events/batch", json=[good] * 5_001)).status_code == 413
    lines = b"\n".join([b'{"source":"s","type":"t"}'] * 5_001)
    headers = {"Content-Type": "application/x-ndjson"}
    assert (await tenant.client.post("/api/v1/events/batch", content=lines, headers=headers)).status_code == 413
    before = _count("rejected")
    answer = await tenant.client.post("/api/v1/events/batch", json=[good, {**good, "time": "never"}, good])
    assert answer.status_code == 200
    assert answer.json()["accepted"] == 2
    (refused,) = answer.json()["rejected"]
    assert (refused["index"], refused["type"]) == (1, "urn:floyo:problem:invalid")
    assert "/time" in refused["detail"]
    assert _count("rejected") == before + 1
    (listed,) = (await tenant.client.get("/api/v1/events/rejections")).json()["items"]
    assert (listed["index"], listed["detail"]) == (1, refused["detail"])


async def test_an_upload_with_a_key_is_one_job(tenant: Tenant) -> None:
    async def upload(body: bytes) -> Any:
        files = {"file": ("events.ndjson", body, "application/x-ndjson")}
        return await tenant.client.post("/api/v1/events/upload", files=files, headers={"Idempotency-Key": "one"})

    line = json.dumps({"source": "s", "type": "t"}).encode()
    first, again = await upload(line), await upload(line)
    assert (first.status_code, again.status_code) == (202, 202), first.text
    assert first.json() == again.json()
    other = await upload(line + b"\n" + line)
    assert (other.status_code, other.json()["type"]) == (422, "urn:floyo:problem:idempotency-mismatch")


def _count(outcome: str) -> float:
    (metric,) = EVENTS.collect()
    return next((sample.value for sample in metric.samples
                 if sample.name.endswith("_total") and sample.labels == {"outcome": outcome}), 0.0)  # fmt: skip
