"""Building what is trained, and sweeping its learning rate. The only room that imports torch."""
