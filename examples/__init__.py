"""Briefs with recordings of genuine answers."""
