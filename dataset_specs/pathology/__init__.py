"""Specs of pathology tasks."""
