"""Choose or join the channels of an image."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from rasd_nnu.dataset_specs.formats.picture import Picture
from rasd_nnu.dataset_specs.steps.base import Step
from rasd_nnu.errors import DatasetError

# ITU-R BT.601 luma, the weights that PNG and JPEG tools use. Three equal channels give their own value.
LUMA = np.array([0.299, 0.587, 0.114])


class Channel(Step):
    """Keep one channel, for example the green one of a fundus photograph (``index: 1``).

    Args:
        index: Which one, counted from 0.
    """

    kind: Literal["channel"] = "channel"
    index: int = Field(ge=0)

    def __call__(self, picture: Picture) -> Picture:
        """Return a picture of one channel.

        Raises:
            DatasetError: It has not so many channels.
        """
        if self.index >= picture.channels:
            raise DatasetError(
                f"{picture.source} has {picture.channels} channel(s), but the spec asks for channel {self.index} "
                "(counted from 0). Is it the right file?"
            )
        return picture.with_array(picture.array[self.index : self.index + 1])


class Grey(Step):
    """Turn colours into grey (ITU-R BT.601); what is grey already stays as it is."""

    kind: Literal["grey"] = "grey"

    def __call__(self, picture: Picture) -> Picture:
        """Return a picture of one channel.

        Raises:
            DatasetError: It has neither one nor three channels.
        """
        if picture.channels == 1:
            return picture
        if picture.channels != 3:
            raise DatasetError(f"{picture.source} has {picture.channels} channels; grey needs one, or three of RGB.")
        grey = np.tensordot(LUMA, picture.array, axes=1)
        whole = np.rint(grey) if picture.array.dtype.kind in "iu" else grey
        return picture.with_array(whole.astype(picture.array.dtype)[None])
