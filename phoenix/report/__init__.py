"""The report of a run: one HTML page that holds all it needs."""
