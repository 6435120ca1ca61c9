"""Builds the model that the worker runs: simulated candidates, training, export, checks."""
