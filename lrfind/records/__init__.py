"""What the stages pass to each other: its types, its JSON, reading it, and the curves of other tools."""
