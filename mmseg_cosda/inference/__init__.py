"""Prediction with a config and a checkpoint: images, models, what they predict."""
