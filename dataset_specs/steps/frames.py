"""Take a time series apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from rasd_nnu.dataset_specs.formats.picture import Picture
from rasd_nnu.dataset_specs.steps.base import Step
from rasd_nnu.errors import DatasetError


class Frames(Step):
    """Turn a 4D image into one image a frame.

    Args:
        keep: Which frames, counted from 0; None keeps all.
    """

    kind: Literal["frames"] = "frames"
    keep: tuple[int, ...] | None = Field(None, min_length=1)

    def __call__(self, picture: Picture) -> Sequence[Picture]:
        """Return the frames in the order asked for.

        Raises:
            DatasetError: A frame does not exist.
        """
        wanted = range(picture.channels) if self.keep is None else self.keep
        missing = [index for index in wanted if not 0 <= index < picture.channels]
        if missing:
            raise DatasetError(
                f"{picture.source} has {picture.channels} frame(s), but the spec asks for {missing} (counted from 0)."
            )
        return [picture.with_array(picture.array[index : index + 1]) for index in wanted]
