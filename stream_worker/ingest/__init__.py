"""Bringing observations in: files of the survey become candidates on the candidates topic."""
