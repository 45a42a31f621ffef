"""What workflows ask before they are saved or switched on: whether what they name is there and takes their input."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.integrations.deps import DeskDep
from services.integrations.domain import references
from shared import webapp
from shared.deps import ServiceDep, called_by
from shared.servicetokens import Caller

router = webapp.internal_router()


class ReferenceIn(BaseModel):
    """One action of one integration, by id or name, with its input; texts may still hold templates."""

    model_config = ConfigDict(extra="forbid")

    integration: str = Field(max_length=200)
    action: str = Field(max_length=100)
    input: Any = None


class ReferencesIn(BaseModel):
    """Everything that a workflow names."""

    model_config = ConfigDict(extra="forbid")

    organization_id: UUID
    references: list[ReferenceIn] = Field(max_length=1_000)


class FaultOut(BaseModel):
    """What is wrong with reference number `index`; `path` leads into its input, `kind` is pydantic's type of error."""

    index: int
    field: Literal["integration", "action", "input"]
    detail: str
    path: list[str | int]
    kind: str


class FaultsOut(BaseModel):
    """Nothing, when all is well."""

    faults: list[FaultOut]


@router.post("/references")
async def judge_references(
    body: ReferencesIn, service: ServiceDep, desk: DeskDep, _caller: Annotated[Caller, called_by("workflows")]
) -> FaultsOut:
    """Says what is missing or does not fit; opens no secret and connects to nothing."""
    asked = [(item.integration, item.action, item.input) for item in body.references]
    found = await references.judge(service.database, desk.catalog, body.organization_id, asked)
    return FaultsOut(faults=[FaultOut.model_validate(fault, from_attributes=True) for fault in found])
