"""What nnU-Net finds through ``nnUNet_extTrainer``: the trainers of the installed package, and nothing else."""

from __future__ import annotations

import logging

import rasd_nnu.trainers


def __getattr__(name: str) -> object:
    """Hand on ``RaSDTrainer...``; say why a name like it is not one, which nnU-Net's own message cannot."""
    try:
        return getattr(rasd_nnu.trainers, name)
    except AttributeError as error:
        if name.startswith("RaSDTrainer"):
            logging.getLogger("rasd_nnu").error("error: %s", error)
        raise
