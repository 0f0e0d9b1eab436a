"""Fuzzing of every parser that reads what a network, a card or a disk gave."""
