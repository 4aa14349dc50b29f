"""The conversion steps of a spec.

Steps are the callable models of ``steps/*.py``, told apart by their field ``kind``: parameters as fields, the work
in ``__call__``. They run in the order image, label, both, each list in its own order, on what ``formats/`` read.
"""

from __future__ import annotations

from rasd_nnu.dataset_specs.schema.base import SpecModel
from rasd_nnu.dataset_specs.steps.colours import Colours
from rasd_nnu.dataset_specs.steps.patch import Patch
from rasd_nnu.dataset_specs.steps.remap import Above, Remap
from rasd_nnu.dataset_specs.steps.vocabulary import BothStep, SingleStep


class Steps(SpecModel):
    """Steps of a conversion.

    Args:
        image: On the image; of several files, on each.
        label: On the label map, or on each mask of `Masks`.
        both: On image and label map together.
        patch: Cut around a point that the case's row gives, before all other steps.
    """

    image: tuple[SingleStep, ...] = ()
    label: tuple[SingleStep, ...] = ()
    both: tuple[BothStep, ...] = ()
    patch: Patch | None = None

    def label_results(self) -> list[set[int]]:
        """Return the label values that each step which names them can lead to."""
        results = []
        for step in self.label:
            if isinstance(step, Remap):
                results.append(set(step.values.values()) | ({step.other} if step.other is not None else set()))
            elif isinstance(step, Above):
                results.append({step.label})
            elif isinstance(step, Colours):
                results.append({entry.label for entry in step.colours})
        return results
