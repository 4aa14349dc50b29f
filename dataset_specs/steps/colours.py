"""Masks whose classes are colours."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from rasd_nnu.dataset_specs.formats.picture import Picture
from rasd_nnu.dataset_specs.steps.base import Step
from rasd_nnu.dataset_specs.steps.remap import LabelValue
from rasd_nnu.dataset_specs.values import SHOWN
from rasd_nnu.errors import DatasetError

Level = Annotated[int, Field(ge=0, le=65535)]
Colour = tuple[Level, Level, Level]


class ColourClass(Step):
    """One colour and the label that it stands for."""

    rgb: Colour
    label: LabelValue


class Colours(Step):
    """Turn a colour-coded mask into a label map.

    Args:
        colours: Every colour of the masks and its label; several colours may have one label.
        tolerance: Largest difference of a channel at which a pixel still counts as the nearest colour; above 0
            only where masks were stored with loss.
    """

    kind: Literal["colours"] = "colours"
    colours: tuple[ColourClass, ...] = Field(min_length=1)
    tolerance: int = Field(default=0, ge=0, le=127)

    def __call__(self, mask: Picture) -> Picture:
        """Map a picture of three channels to labels, uint8.

        Raises:
            DatasetError: It has not three channels, or a colour that is not listed.
        """
        if mask.channels != 3:
            raise DatasetError(
                f"{mask.source} has {mask.channels} channel(s), but a colour-coded mask has 3. Is it the right file? "
                "A picture with a palette must be read as colours."
            )
        found, where = np.unique(mask.array.reshape(3, -1), axis=1, return_inverse=True)
        table = np.array([entry.rgb for entry in self.colours])
        apart = np.abs(found.T[:, None].astype(int) - table[None]).max(axis=2)
        nearest = apart.argmin(axis=1)
        unknown = np.flatnonzero(apart.min(axis=1) > self.tolerance)
        if unknown.size:
            self._refuse(mask, found.T[unknown], int(np.isin(where, unknown).sum()))
        labels = np.array([entry.label for entry in self.colours], dtype=np.uint8)[nearest]
        return mask.with_array(labels[where].reshape(1, *mask.shape))

    def _refuse(self, mask: Picture, colours: np.ndarray, pixels: int) -> None:
        shown = ", ".join(str(tuple(int(level) for level in colour)) for colour in colours[:SHOWN])
        raise DatasetError(
            f"{mask.source} has {len(colours)} colour(s) that the spec does not name: {shown}"
            f"{', ...' if len(colours) > SHOWN else ''} in {pixels} pixel(s). Correct the mask, add the colour to "
            "the spec, or give a tolerance where the mask was stored with loss."
        )
