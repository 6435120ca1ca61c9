"""A bundle measured on seasons: pure figures of merit, cached scores, and the page that `evaluate` writes."""
