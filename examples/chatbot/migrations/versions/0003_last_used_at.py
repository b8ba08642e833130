"""When a conversation was last used."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add a nullable column: an earlier version leaves it empty, and created_at then stands in for it."""
    op.execute("ALTER TABLE conversations ADD COLUMN last_used_at timestamptz")
