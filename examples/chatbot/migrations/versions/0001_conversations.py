"""Conversations of a tenant, and their messages."""

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create both tables, with the indexes that their lists are read by."""
    op.execute("""
        CREATE TABLE conversations (
            id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
            tenant text NOT NULL,
            title text NOT NULL,
            created_at timestamptz NOT NULL DEFAULT clock_timestamp()
        )
    """)
    op.execute("CREATE INDEX conversations_of_tenant ON conversations (tenant, created_at DESC, id)")
    op.execute("""
        CREATE TABLE messages (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            conversation_id uuid NOT NULL REFERENCES conversations ON DELETE CASCADE,
            role text NOT NULL CHECK (role IN ('user', 'assistant')),
            content text NOT NULL,
            created_at timestamptz NOT NULL DEFAULT clock_timestamp()
        )
    """)
    op.execute("CREATE INDEX messages_of_conversation ON messages (conversation_id, id)")
