"""Reading the learning rate from a sweep: smoothing, landmarks, suggestion, confidence. Needs NumPy alone."""
