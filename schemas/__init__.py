"""Avro schemas of every topic: each version in its own folder, read by explicit version only."""

from __future__ import annotations

from schemas.loader import Schema, UnknownSchemaError, load, names, versions

__all__ = ["Schema", "UnknownSchemaError", "load", "names", "versions"]
