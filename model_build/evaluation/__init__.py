"""Figures of merit of a network on seasons: pure functions of scores and truth."""
