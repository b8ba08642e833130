"""How long an answer took."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add a nullable column: 1.0.0 neither writes nor reads it."""
    op.execute("ALTER TABLE messages ADD COLUMN answer_ms integer")
