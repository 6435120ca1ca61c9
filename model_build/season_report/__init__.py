"""The report on a simulated season: one HTML page of what the archive holds beside what is published."""
