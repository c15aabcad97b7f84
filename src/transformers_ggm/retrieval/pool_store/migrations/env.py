"""Run by Alembic: migrates the database of the connection that it is given."""

from alembic import context

# Alembic gives the context its configuration for as long as it runs this file; imported otherwise, it does nothing.
if hasattr(context, "config"):
    context.configure(connection=context.config.attributes["connection"])
    context.run_migrations()
