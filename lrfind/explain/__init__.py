"""`explain`: what a tenth of the learning rate, the learning rate and ten times the learning rate do."""
