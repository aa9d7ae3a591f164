"""lrfind finds the learning rate of a PyTorch training, and says how sure it is."""

__version__ = "0.1.0"
