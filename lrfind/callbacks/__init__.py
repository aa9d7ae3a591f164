"""Callbacks that find the learning rate of a training and set it before its first update: one for each trainer."""
