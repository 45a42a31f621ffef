"""Authorizing an integration by OAuth 2.0: begun and completed by the same person."""

from uuid import UUID

from services.integrations.deps import DeskDep
from services.integrations.domain import audit, authorization, integrations
from services.integrations.routes.integrations import Writer
from services.integrations.schemas.authorization import AuthorizationUrl, Completion, NewAuthorization
from services.integrations.schemas.integrations import IntegrationView
from shared import errors, webapp
from shared.deps import ServiceDep, Session
from shared.identity import Principal
from shared.settings import Settings

router = webapp.router(tags=["integrations"])
CALLBACK = "/oauth/callback"


@router.post("/integrations/{integration_id}/authorize")
async def begin_authorization(
    *,
    integration_id: UUID,
    body: NewAuthorization,
    session: Session,
    service: ServiceDep,
    desk: DeskDep,
    principal: Writer,
) -> AuthorizationUrl:
    """Answers the address to send the person to."""
    _check_redirect(service.settings, body.redirect_uri)
    found = await integrations.get(session, principal.organization_id, integration_id)
    keeper = desk.keeper(service.database)
    url = await authorization.begin(session, keeper, found, subject=_holder(principal), redirect_uri=body.redirect_uri)
    return AuthorizationUrl(url=url)


@router.post("/integrations/{integration_id}/authorize/complete")
async def complete_authorization(
    integration_id: UUID, body: Completion, service: ServiceDep, desk: DeskDep, principal: Writer
) -> IntegrationView:
    """Exchanges the code for tokens, which are sealed."""
    await authorization.complete(
        desk.keeper(service.database),
        principal.organization_id,
        integration_id,
        subject=_holder(principal),
        state=body.state,
        code=body.code,
    )
    async with service.database.session(principal.organization_id) as session:
        await audit.record(session, principal, "integration.authorized", integration_id)
        found = await integrations.get(session, principal.organization_id, integration_id)
        return IntegrationView.of(found, desk.ring)


def _holder(principal: Principal) -> str:
    """The person in this very session: a state is good nowhere else."""
    return f"{principal.subject}/{principal.session_id}"


def _check_redirect(settings: Settings, redirect_uri: str) -> None:
    allowed = {origin.rstrip("/") + CALLBACK for origin in (settings.public_url, *settings.cors_origins)}
    if redirect_uri not in allowed:
        raise errors.BadRequest("invalid-redirect", "The redirect address is not one of this installation's.")
