"""Specs of ultrasound tasks."""
