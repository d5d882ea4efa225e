"""What happens: one Prefect task for each StateFlow state."""
