"""Specs of magnetic resonance tasks."""
