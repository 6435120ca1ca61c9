"""Logs, metrics and health end points."""
