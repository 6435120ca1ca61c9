"""Training sets: a season's labelled candidates split, cropped, prepared, in memory-mapped arrays."""
