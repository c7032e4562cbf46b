"""The speed benchmark: what ``tools/benchmark.py`` measures."""
