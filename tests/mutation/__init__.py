"""Mutation testing: faults are planted in the package one at a time, and its tests are asked to find each.

``python tests/mutation/run.py`` plants and judges; ``tests/test_mutation.py`` checks what and how.
"""
