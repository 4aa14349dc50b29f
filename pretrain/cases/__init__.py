"""Pre-training on the label maps of a fold's training cases."""

from rasd_nnu.pretrain.cases.batches import CaseBatches
from rasd_nnu.pretrain.cases.maps import ITERATIONS, MAPS, CaseMaps, Maps, open_cases
from rasd_nnu.pretrain.cases.objective import CasesModule

__all__ = ["ITERATIONS", "MAPS", "CaseBatches", "CaseMaps", "CasesModule", "Maps", "open_cases"]
