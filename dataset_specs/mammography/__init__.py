"""Specs of mammography tasks."""
