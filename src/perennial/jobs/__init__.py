"""What runs inside a job of the workflow: training with checkpoints, sequences, locks, devices, progress and logs."""
