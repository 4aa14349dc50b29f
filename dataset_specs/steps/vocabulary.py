"""All steps that a spec may list, as discriminated unions by ``kind``."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from rasd_nnu.dataset_specs.steps.channels import Channel, Grey
from rasd_nnu.dataset_specs.steps.colours import Colours
from rasd_nnu.dataset_specs.steps.crop import CropEmpty
from rasd_nnu.dataset_specs.steps.geometry import MatchGeometry
from rasd_nnu.dataset_specs.steps.patch import Patch
from rasd_nnu.dataset_specs.steps.remap import Above, Remap
from rasd_nnu.dataset_specs.steps.reorient import Flip, Reorient
from rasd_nnu.dataset_specs.steps.resize import Resize2D
from rasd_nnu.dataset_specs.steps.slices import Slices

# On an image or a label map alone: picture -> picture.
SingleStep = Annotated[Above | Channel | Colours | Flip | Grey | Remap | Reorient | Slices, Field(discriminator="kind")]
# On both: (image, label) -> (image, label).
BothStep = Annotated[CropEmpty | MatchGeometry | Resize2D, Field(discriminator="kind")]
# On an image, with the row of a table that makes the case: (image, row) -> image.
RowStep = Patch
