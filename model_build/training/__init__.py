"""Training: options, batches, the loop with checkpoints, and the folder of a run."""
