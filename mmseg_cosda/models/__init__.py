"""Networks, losses and segmentors, registered in the host."""
