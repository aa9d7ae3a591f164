"""`check`: is the learning rate of a training inside the safe range?"""
