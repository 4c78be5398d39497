"""Statistics over seeds and snapshots, taken from run files after training."""
