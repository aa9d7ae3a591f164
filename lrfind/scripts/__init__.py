"""A training script in a process of its own: what is set and seen inside it, and how it is started and ended."""
