"""Choosing between scratch, start, mixing and both by short trainings on inner folds of the training cases."""
