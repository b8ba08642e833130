"""Everything the application asks of its tables. Each statement names its tenant, so no tenant meets another's rows.

A version only touches the columns its own migration brought: the same code is baked into every version, and the
version's features decide.
"""
# ruff: noqa: S608, what the statements are composed of are this module's own column names, never input

from collections.abc import Callable
from uuid import UUID

from chatbot.database import Connection, Pool
from chatbot.errors import NotFound, NotWaiting
from chatbot.models import Conversation, Message

HISTORY = 20  # messages that the provider is told


class Store:
    """Conversations and messages in PostgreSQL."""

    def __init__(self, pool: Pool, features: frozenset[str], before_write: Callable[[], None]) -> None:
        """Keep the pool; `before_write` is called before whatever changes a row."""
        self._pool = pool
        self._timed = "timestamps" in features
        self._recent = "recent-first" in features
        self._before_write = before_write
        self._conversation = "id, title, created_at" + (", last_used_at" if self._recent else "")
        self._message = "id, role, content, created_at" + (", answer_ms" if self._timed else "")

    async def create(self, tenant: str, title: str) -> Conversation:
        """Begin a conversation."""
        self._before_write()
        async with self._pool.connection() as connection:
            row = await (
                await connection.execute(
                    f"INSERT INTO conversations (tenant, title) VALUES (%s, %s) RETURNING {self._conversation}",
                    (tenant, title),
                )
            ).fetchone()
        return Conversation.model_validate(row)

    async def conversations(self, tenant: str, limit: int, offset: int) -> list[Conversation]:
        """List a tenant's conversations, the newest first."""
        order = "coalesce(last_used_at, created_at)" if self._recent else "created_at"
        async with self._pool.connection() as connection:
            rows = await connection.execute(
                f"SELECT {self._conversation} FROM conversations WHERE tenant = %s"
                f" ORDER BY {order} DESC, id LIMIT %s OFFSET %s",
                (tenant, limit, offset),
            )
            return [Conversation.model_validate(row) async for row in rows]

    async def conversation(self, tenant: str, conversation: UUID) -> Conversation:
        """Find one conversation."""
        async with self._pool.connection() as connection:
            return await self._find(connection, tenant, conversation)

    async def delete(self, tenant: str, conversation: UUID) -> None:
        """Remove a conversation and its messages."""
        self._before_write()
        async with self._pool.connection() as connection:
            done = await connection.execute(
                "DELETE FROM conversations WHERE id = %s AND tenant = %s", (conversation, tenant)
            )
        if done.rowcount == 0:
            raise NotFound(f"no conversation {conversation}")

    async def messages(self, tenant: str, conversation: UUID, limit: int, after: int) -> list[Message]:
        """List a conversation's messages in the order they were written."""
        async with self._pool.connection() as connection:
            await self._find(connection, tenant, conversation)
            rows = await connection.execute(
                f"SELECT {self._message} FROM messages WHERE conversation_id = %s AND id > %s ORDER BY id LIMIT %s",
                (conversation, after, limit),
            )
            return [Message.model_validate(row) async for row in rows]

    async def add_question(self, tenant: str, conversation: UUID, content: str) -> list[Message]:
        """Keep what the user says; return the end of the conversation, this message last."""
        self._before_write()
        async with self._pool.connection() as connection:
            await self._find(connection, tenant, conversation)
            await connection.execute(
                "INSERT INTO messages (conversation_id, role, content) VALUES (%s, 'user', %s)",
                (conversation, content),
            )
            if self._recent:
                await connection.execute(
                    "UPDATE conversations SET last_used_at = clock_timestamp() WHERE id = %s", (conversation,)
                )
            return await self._end(connection, conversation)

    async def unanswered(self, tenant: str, conversation: UUID, message: int) -> list[Message]:
        """Return the end of the conversation if that message is its last and waits for an answer."""
        self._before_write()
        async with self._pool.connection() as connection:
            await self._find(connection, tenant, conversation)
            end = await self._end(connection, conversation)
        if not end or end[-1].id != message or end[-1].role != "user":
            raise NotWaiting(f"message {message} is not the conversation's last, or it has an answer")
        return end

    async def add_answer(self, conversation: UUID, content: str, answer_ms: int) -> Message:
        """Keep the assistant's answer; NotFound if the conversation was deleted meanwhile."""
        names, values = ("conversation_id, role, content", [conversation, "assistant", content])
        if self._timed:
            names, values = (f"{names}, answer_ms", [*values, answer_ms])
        marks = ", ".join(["%s"] * len(values))
        async with self._pool.connection() as connection:
            row = await (
                await connection.execute(
                    f"INSERT INTO messages ({names}) SELECT {marks} WHERE EXISTS"
                    f" (SELECT 1 FROM conversations WHERE id = %s FOR KEY SHARE) RETURNING {self._message}",
                    [*values, conversation],
                )
            ).fetchone()
        if row is None:
            raise NotFound(f"no conversation {conversation}")
        return Message.model_validate(row)

    async def _find(self, connection: Connection, tenant: str, conversation: UUID) -> Conversation:
        row = await (
            await connection.execute(
                f"SELECT {self._conversation} FROM conversations WHERE id = %s AND tenant = %s",
                (conversation, tenant),
            )
        ).fetchone()
        if row is None:
            raise NotFound(f"no conversation {conversation}")
        return Conversation.model_validate(row)

    async def _end(self, connection: Connection, conversation: UUID) -> list[Message]:
        rows = await connection.execute(
            f"SELECT {self._message} FROM messages WHERE conversation_id = %s ORDER BY id DESC LIMIT %s",
            (conversation, HISTORY),
        )
        return [Message.model_validate(row) async for row in rows][::-1]
