"""`schedule`: the PyTorch scheduler for the learning rate that was found."""
