"""What Alembic runs: the migrations, on the connection and in the transaction that it was given."""

from alembic import context

from services.database.tables import Table

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Table.metadata,
    compare_server_default=True,
)
with context.begin_transaction():
    context.run_migrations()
