"""Feature extractors F."""
