"""What people get to see of a result: text, a sketch, a picture; and files written whole or not at all."""
