"""Pictures of trainings: curves over iterations, predictions side by side."""
