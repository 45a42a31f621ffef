"""The connectors that this process knows, and what the catalogue tells of each."""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from services.integrations.connector import Action, Connector
from shared import errors


class Catalog:
    """Connectors by id."""

    def __init__(self, connectors: Mapping[str, Connector]) -> None:
        misnamed = [name for name, connector in connectors.items() if name != connector.id]
        if misnamed:
            raise TypeError(f"a connector's id is the name of its module: {', '.join(misnamed)}")
        self._connectors = dict(sorted(connectors.items()))

    def all(self) -> Iterable[Connector]:
        """Every connector, by id."""
        return self._connectors.values()

    def connector(self, connector_id: str) -> Connector:
        """One connector; raises Invalid `connector-unknown`."""
        found = self._connectors.get(connector_id)
        if found is None:
            raise errors.invalid_field("/connector", f"There is no connector {connector_id!r}.", "connector-unknown")
        return found

    def action(self, connector_id: str, action_id: str) -> Action:
        """One action of a connector; raises Invalid `action-unknown`."""
        found = self.connector(connector_id).action(action_id)
        if found is None:
            raise errors.Invalid("action-unknown", f"The connector {connector_id} has no action {action_id!r}.")
        return found


def describe(connector: Connector) -> dict[str, Any]:
    """The public description, with JSON schemas of settings and of each action's input and output."""
    return {
        "id": connector.id,
        "name": connector.name,
        "description": connector.description,
        "settings_schema": connector.settings.model_json_schema(),
        "secrets": [
            {"name": secret.name, "description": secret.description, "required": secret.required}
            for secret in connector.secrets
        ],
        "actions": [
            {
                "id": action.id,
                "description": action.description,
                "input_schema": action.input.model_json_schema(),
                "output_schema": action.output.model_json_schema(),
            }
            for action in connector.actions
        ],
        "hooks": list(connector.hooks),
        "authorization": "oauth2" if connector.authorization else "secrets",
    }


def read(model: type[BaseModel], value: object, pointer: str) -> BaseModel:
    """Validate a value that a connector declares; raises Invalid with pointers below `pointer`."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        fields = [
            errors.FieldError(pointer + "".join(f"/{part}" for part in item["loc"]), item["msg"])
            for item in error.errors(include_input=False, include_url=False, include_context=False)
        ]
        raise errors.Invalid("invalid", f"{len(fields)} wrong field(s) in {pointer}.", errors=fields) from None


def check_secrets(connector: Connector, given: Iterable[str]) -> None:
    """Raises Invalid unless the names are exactly some that the connector declares, with all required ones."""
    names = set(given)
    declared = {secret.name for secret in connector.secrets}
    if connector.authorization is not None:
        declared |= OAUTH_SECRETS
    problems = [errors.FieldError(f"/secrets/{name}", "Unknown secret.") for name in sorted(names - declared)]
    required = {secret.name for secret in connector.secrets if secret.required}
    problems += [errors.FieldError(f"/secrets/{name}", "Is required.") for name in sorted(required - names)]
    if problems:
        raise errors.Invalid("invalid", f"{len(problems)} wrong secret(s).", errors=problems)


OAUTH_SECRETS = frozenset({"client_id", "client_secret", "access_token", "refresh_token", "expires_at"})
