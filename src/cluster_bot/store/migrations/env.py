"""What Alembic executes to run the migrations: they run on the connection, and in the transaction, of `schema`."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
with context.begin_transaction():
    context.run_migrations()
