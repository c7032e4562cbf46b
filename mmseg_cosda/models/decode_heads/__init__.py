"""Classification heads H."""
