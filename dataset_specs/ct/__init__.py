"""Specs of CT tasks."""
