"""Objectives of pre-training, one file each."""

from rasd_nnu.pretrain.objective.contrastive import ContrastiveModule
from rasd_nnu.pretrain.objective.prototypes import PrototypeDisentangling, Terms

__all__ = ["ContrastiveModule", "PrototypeDisentangling", "Terms"]
