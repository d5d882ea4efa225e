"""In which order: the stories, and the gates."""
