"""What each step away from the paper's training gains: short trainings with one step taken back."""
