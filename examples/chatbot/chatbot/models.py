"""What the API takes and gives, in one place, because the OpenAPI description is made of it."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

SOMETHING = r"^[^\x00]*[^\s\x00][^\x00]*$"  # not blank, and without NUL, which PostgreSQL does not store
Title = Annotated[str, StringConstraints(max_length=200, pattern=SOMETHING)]
Content = Annotated[str, StringConstraints(max_length=8000, pattern=SOMETHING)]
BIGGEST_ID = 2**63 - 1


class _Input(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewConversation(_Input):
    """A conversation to begin."""

    title: Title = "New conversation"


class NewMessage(_Input):
    """Something to say."""

    content: Content


class Retry(_Input):
    """The user's last message, which was kept but never answered, to be answered now."""

    retry_of: Annotated[int, Field(ge=1, le=BIGGEST_ID)]


class Conversation(BaseModel):
    """A conversation of a tenant."""

    id: UUID
    title: str
    created_at: datetime
    last_used_at: datetime | None = None


class Message(BaseModel):
    """One message of a conversation; `answer_ms` is how long the assistant took for it."""

    id: int
    role: Literal["user", "assistant"]
    content: str
    created_at: datetime
    answer_ms: int | None = None


class ConversationPage(BaseModel):
    """Part of a list; `next` is the offset of what follows, if anything does."""

    items: list[Conversation]
    next: int | None = None


class MessagePage(BaseModel):
    """Part of a conversation; `next` is the `after` of what follows, if anything does."""

    items: list[Message]
    next: int | None = None


class Exchange(BaseModel):
    """The user's message and the assistant's answer to it."""

    message: Message
    answer: Message


class ModelList(BaseModel):
    """The provider's models."""

    items: list[str]
