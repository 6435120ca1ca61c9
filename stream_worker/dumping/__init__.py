"""Dumps of the candidates topic: every packet with its position, in a file per day, each once."""
