"""What every connector promises; the test of a connector inherits it and gives examples."""

import json
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from typing import Any, ClassVar

import pytest

from services.integrations import connectors
from services.integrations.connector import Call, Connector
from services.integrations.domain import actions, catalog, samples
from services.integrations.domain.catalog import Catalog
from services.integrations.domain.integrations import Integration
from services.integrations.domain.outlets import Outlets
from shared import clock, destinations, errors, ids, registry
from shared.egress import Egress, TargetFailed
from tests.integrations.targets import Mode, Target

CATALOG = Catalog(registry.discover(connectors, "CONNECTOR", Connector))


class ConnectorContract(ABC):
    """Set `id`, `secrets` and `inputs` (an example input for every action); give `start` and `settings`."""

    id: ClassVar[str]
    secrets: ClassVar[dict[str, str]]
    inputs: ClassVar[dict[str, dict[str, Any]]]

    @abstractmethod
    async def start(self) -> Target:
        """The stand-in, listening."""

    @abstractmethod
    def settings(self, target: Any) -> dict[str, Any]:
        """Settings that lead to the stand-in."""

    @pytest.fixture
    async def target(self) -> AsyncIterator[Target]:
        started = await self.start()
        yield started
        await started.stop()

    @pytest.fixture
    async def outlets(self, target: Target) -> AsyncIterator[Outlets]:
        egress = Egress(destinations.Policy(allow=frozenset(("127.0.0.1", port) for port in target.ports)))
        yield Outlets(egress)
        await egress.close()

    @property
    def kind(self) -> Connector:
        return CATALOG.connector(self.id)

    def integration(self, target: Target) -> Integration:
        now = clock.now()
        settings = self.settings(target)
        catalog.read(self.kind.settings, settings, "/settings")
        catalog.check_secrets(self.kind, self.secrets)
        return Integration(
            ids.new(), ids.new(), "example", self.id, settings, sorted(self.secrets), 1, now, now
        )  # fmt: skip

    async def run(
        self, target: Target, outlets: Outlets, action: str, given: Mapping[str, Any] | None = None, **options: Any
    ) -> Any:
        """Perform an action with its example input, or another."""
        integration = self.integration(target)
        return await actions.perform(
            CATALOG,
            integration,
            action,
            self.inputs[action] if given is None else given,
            secrets=options.pop("secrets", self.secrets),
            outlet=outlets.outlet(integration.organization_id),
            **options,
        )

    async def opened(self) -> Mapping[str, str]:
        return self.secrets

    async def prove(self, target: Target, outlets: Outlets) -> dict[str, Any]:
        integration = self.integration(target)
        outlet = outlets.outlet(integration.organization_id)
        return await actions.test(CATALOG, integration, self.opened(), outlet)

    def test_the_catalogue_describes_it(self) -> None:
        described = catalog.describe(self.kind)
        assert json.loads(json.dumps(described)) == described
        assert self.kind.name
        assert all(text.endswith(".") for text in [self.kind.description, *(a.description for a in self.kind.actions)])
        assert all(secret.description for secret in self.kind.secrets)
        for action in described["actions"]:
            assert action["input_schema"]["type"] == action["output_schema"]["type"] == "object"
        assert len({action.id for action in self.kind.actions}) == len(self.kind.actions)

    def test_examples_cover_every_action(self) -> None:
        assert set(self.inputs) == {action.id for action in self.kind.actions}

    def test_unknown_settings_and_secrets_are_refused(self) -> None:
        with pytest.raises(errors.Invalid):
            catalog.read(self.kind.settings, {"no such setting": 1}, "/settings")
        with pytest.raises(errors.Invalid):
            catalog.check_secrets(self.kind, {**self.secrets, "no such secret": "x"})

    async def test_targets_are_declared(self, target: Target) -> None:
        parsed = self.kind.settings.model_validate(self.settings(target))
        declared = self.kind.targets(parsed)
        assert declared
        assert {item.port for item in declared} <= set(target.ports)

    async def test_a_good_credential_proves_good(self, target: Target, outlets: Outlets) -> None:
        assert await self.prove(target, outlets) == {"ok": True, "problem": None}
        assert target.connections > 0

    async def test_a_bad_credential_is_told_and_not_retried(self, target: Target, outlets: Outlets) -> None:
        target.mode = "refusing"
        found = await self.prove(target, outlets)
        assert found["ok"] is False
        assert found["problem"]["retryable"] is False

    async def test_a_busy_target_is_worth_another_try(self, target: Target, outlets: Outlets) -> None:
        target.mode = "busy"
        found = await self.prove(target, outlets)
        assert found["ok"] is False
        assert found["problem"]["retryable"] is True

    async def test_a_silent_target_is_worth_another_try(self, target: Target, outlets: Outlets) -> None:
        integration = self.integration(target)
        await target.stop()
        outlet = outlets.outlet(integration.organization_id)
        found = await actions.test(CATALOG, integration, self.opened(), outlet)
        assert (found["ok"], found["problem"]["retryable"]) == (False, True)

    async def test_every_action_runs(self, target: Target, outlets: Outlets) -> None:
        for action in self.kind.actions:
            output = await self.run(target, outlets, action.id)
            action.output.model_validate(output)

    async def test_rehearsals_call_nobody(self, target: Target) -> None:
        integration = self.integration(target)
        for action in self.kind.actions:
            output = actions.rehearse(CATALOG, integration, action.id, self.inputs[action.id])
            action.output.model_validate(output)
            assert output == samples.sample(action.output)
            with pytest.raises(errors.Invalid):
                actions.rehearse(CATALOG, integration, action.id, {"no such input": 1})
        assert target.connections == 0

    async def test_the_guard_stands_before_it(self, target: Target) -> None:
        """Without the operator's exception nothing is connected to."""
        egress = Egress(destinations.Policy())
        found = await self.prove(target, Outlets(egress))
        await egress.close()
        assert found["problem"]["type"] == "urn:floyo:problem:destination-forbidden"
        assert target.connections == 0

    async def test_b71_its_credential_stays_within_its_targets(self, target: Target, outlets: Outlets) -> None:
        parsed = self.kind.settings.model_validate(self.settings(target))
        call = Call(self.kind, parsed, self.secrets, outlets.outlet(ids.new()))
        for host, port in [("evil.example", 443), ("127.0.0.1", target.ports[0] % 60_000 + 1)]:
            with pytest.raises(errors.Invalid) as refused:
                await call.http("GET", f"http://{host}:{port}/")
            assert refused.value.slug == "destination-forbidden"
            with pytest.raises(errors.Invalid):
                await call.connect(host, port)
        assert target.connections == 0

    async def test_b69_secrets_show_nowhere(
        self, target: Target, outlets: Outlets, capfd: pytest.CaptureFixture[str]
    ) -> None:
        shown: list[str] = [repr(Call(self.kind, None, self.secrets, outlets.outlet(ids.new())))]
        modes: tuple[Mode, ...] = ("well", "refusing", "busy")
        for mode in modes:
            target.mode = mode
            shown.append(json.dumps(await self.prove(target, outlets)))
            for action in self.kind.actions:
                try:
                    shown.append(json.dumps(await self.run(target, outlets, action.id)))
                except (TargetFailed, errors.FloyoError) as problem:
                    shown.append(repr(problem) + json.dumps(problem.body("trace")))
        shown += capfd.readouterr()
        for secret in self.secrets.values():
            assert secret not in "".join(shown)
