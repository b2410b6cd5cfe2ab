"""What takes as long as it is given: random kills, random programs, and training without an end.

Each file is a program with a number and a seed; ``tests/test_reliability.py`` runs a little of each.
"""
