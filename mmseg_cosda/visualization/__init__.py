"""Pictures of runs, predictions and matches."""
