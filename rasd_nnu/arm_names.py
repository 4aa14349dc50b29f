"""What the arms of a comparison may be called, and may differ in."""

from __future__ import annotations

#: Name of an arm that was registered with `rasd_nnu arms add`. It becomes part of a trainer's name, and has no
#: underscore so that it ends where the next part begins.
ARM_NAME = r"[A-Za-z0-9]+"

#: Arms that are not registered: from the checkpoint of `rasd_nnu pretrain`, and from random weights.
RESERVED_ARMS = ("rasd", "scratch")

#: Options of the recipe that say what is carried from a checkpoint and how, not how the run goes on: arms with and
#: without a checkpoint may differ in them.
CARRYING_OPTIONS = ("transfer", "require", "width", "inflate", "channels")
