"""Fields that several bodies share."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from services.auth.domain import emails, passwords


class Body(BaseModel):
    """A request body: what is not documented is refused."""

    model_config = ConfigDict(extra="forbid")


def _check_email(text: str) -> str:
    emails.parse(text)
    return text


Email = Annotated[
    str, Field(max_length=emails.MAX_LENGTH, json_schema_extra={"format": "email"}), AfterValidator(_check_email)
]
NewPassword = Annotated[
    str,
    Field(min_length=passwords.MIN_LENGTH, max_length=passwords.MAX_LENGTH, json_schema_extra={"format": "password"}),
    AfterValidator(passwords.check),
]
Password = Annotated[
    str, Field(min_length=1, max_length=passwords.MAX_LENGTH, json_schema_extra={"format": "password"})
]
Token = Annotated[str, Field(min_length=1, max_length=500)]
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"\S")]
Code = Annotated[str, Field(min_length=6, max_length=40)]
