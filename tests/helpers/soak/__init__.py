"""Trainings killed at random, against one that is not: parts of tests/soak.py."""
