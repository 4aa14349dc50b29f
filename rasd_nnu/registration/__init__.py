"""Deformable registration of volumes on features, by the convexAdam package."""
