"""Which source features a model's target pixels are pulled towards."""
