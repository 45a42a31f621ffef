"""What the auth service reads from its environment beyond the common settings."""

from datetime import timedelta

from pydantic import Field, SecretStr

from shared import settings


class Settings(settings.Settings):
    """Lifetimes, mail, and whether an address must be verified before the first login."""

    require_verified_email: bool | None = None
    smtp_url: SecretStr | None = None
    mail_from: str = "Floyo <floyo@localhost>"
    access_seconds: int = Field(default=300, ge=10, le=300)
    refresh_idle_days: int = Field(default=30, ge=1, le=365)
    session_days: int = Field(default=90, ge=1, le=365)
    password_processes: int = Field(default=2, ge=1, le=32)
    password_queue: int = Field(default=64, ge=1, le=10_000)

    @property
    def verification_required(self) -> bool:
        """Production asks for a verified address unless told otherwise."""
        wanted = self.require_verified_email
        return self.environment == "production" if wanted is None else wanted

    @property
    def refresh_idle(self) -> timedelta:
        """How long an unused refresh token lives."""
        return timedelta(days=self.refresh_idle_days)

    @property
    def session_lifetime(self) -> timedelta:
        """How long a session lives however much it is used."""
        return timedelta(days=self.session_days)
