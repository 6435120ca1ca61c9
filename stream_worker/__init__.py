"""LensNet Stream: the worker that scores AlertFinder candidates and publishes alerts."""
