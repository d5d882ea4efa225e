"""Who thinks: each agent is a value with a prompt file beside it."""
