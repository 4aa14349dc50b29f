"""Checkpoints: how they are written, read, found, downloaded and registered."""
