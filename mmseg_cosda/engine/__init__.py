"""What the training loop needs beyond the host's."""
