"""Compares two runs over the same candidates: replays, or a replay and what the topics hold."""
