"""Every connector is found by itself and has a test that inherits the contract."""

import importlib
from pathlib import Path

import pytest

from services.integrations.connector import Connector
from services.integrations.domain.catalog import Catalog
from tests.integrations.contract import CATALOG, ConnectorContract

FOLDER = Path(__file__).parent / "connectors"


@pytest.mark.parametrize("kind", CATALOG.all(), ids=lambda kind: kind.id)
def test_each_connector_has_its_contract_test(kind: Connector) -> None:
    module = importlib.import_module(f"tests.integrations.connectors.test_{kind.id}")
    heirs = [item for item in vars(module).values() if isinstance(item, type) and issubclass(item, ConnectorContract)]
    assert kind.id in {heir.id for heir in heirs if heir is not ConnectorContract}


def test_a_connector_is_named_as_its_module() -> None:
    kind = CATALOG.connector("http")
    with pytest.raises(TypeError, match="other"):
        Catalog({"other": kind})
