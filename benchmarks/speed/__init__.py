"""What a sweep costs beside the bare training loop."""
