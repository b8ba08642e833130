"""Let alembic run on the connection and in the transaction that migrate.py has opened."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], transactional_ddl=True)
context.run_migrations()
