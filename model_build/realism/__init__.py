"""How real the simulated season looks: its quiet stars and its events against public KMTNet data."""
