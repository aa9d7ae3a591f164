"""What is trained: from a config, or from the objects of a script. Each offers `train(lrs) -> Sweep`."""
