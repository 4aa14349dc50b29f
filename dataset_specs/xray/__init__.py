"""Specs of X-ray tasks."""
