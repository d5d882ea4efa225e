"""Services that Phoenix runs by itself below PHOENIX_HOME: PostgreSQL and the Prefect server."""
