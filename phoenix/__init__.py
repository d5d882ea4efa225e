"""The front door: the phoenix command."""
