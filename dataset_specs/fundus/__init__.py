"""Specs of fundus tasks."""
