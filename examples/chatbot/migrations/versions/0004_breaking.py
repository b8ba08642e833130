"""A migration that the versions before it cannot bear: planted, so that its refusal can be seen."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Rename a column that they read."""
    op.execute("ALTER TABLE messages RENAME COLUMN content TO body")
