"""Other people's weights, registered under a name so that they can be arms of a comparison."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rasd_nnu.checkpoints.hub import local_path
from rasd_nnu.checkpoints.read import Source, open_source
from rasd_nnu.checkpoints.registry import Choice
from rasd_nnu.errors import CheckpointError, ConfigError, did_you_mean, first_problem
from rasd_nnu.files import write_text
from rasd_nnu.locks import exclusive
from rasd_nnu.nnunet.env import checkpoints_folder
from rasd_nnu.nnunet.trainer_names import ARM_NAME, RESERVED_ARMS
from rasd_nnu.reading import read_json_object

FORMAT_VERSION = 1

# Seconds to wait for another command that changes the registry, which takes milliseconds.
_WAIT_S = 10.0


@dataclass(frozen=True)
class RegisteredWeights:
    """A registered checkpoint.

    Args:
        name: What ``RaSDTrainer_from<name>`` and ``compare --vs <name>`` call it.
        checkpoint: The file, as an absolute path.
        format: One of `rasd_nnu.checkpoints.formats.FORMATS`, or None for ours, nnU-Net's, nnssl's and
            plain state dicts.
        sha256: Digest of the file when it was registered.
    """

    name: str
    checkpoint: str
    format: str | None
    sha256: str

    def open(self) -> Source:
        """Read the weights.

        Raises:
            CheckpointError: As `open_source`; or if the file has changed since it was registered.
        """
        source = open_source(Path(self.checkpoint), self.format)
        if source.sha256 != self.sha256:
            raise CheckpointError(
                f"{self.checkpoint} has changed since it was registered as arm {self.name!r} (sha256 "
                f"{source.sha256[:12]}, expected {self.sha256[:12]}). Restore it, or register it again with "
                f"`rasd_nnu arms add {self.name} --checkpoint ... --overwrite`."
            )
        return source


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid")

    checkpoint: Annotated[str, Field(min_length=1, max_length=4096)]
    format: str | None
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Registry(BaseModel):
    arms: dict[Annotated[str, Field(pattern=f"^{ARM_NAME}$", max_length=64)], _Entry]


def registry_path() -> Path:
    """Return where the arms are registered."""
    return checkpoints_folder() / "arms.json"


def read_arms() -> dict[str, RegisteredWeights]:
    """Return name -> arm; empty if none was ever registered.

    Raises:
        ConfigError: If the registry is damaged or of another version.
    """
    path = registry_path()
    if not path.is_file():
        return {}
    advice = "It is what `rasd_nnu arms add` writes: delete it and register the arms again."
    content = read_json_object(path, ConfigError, advice)
    if content.get("format_version") != FORMAT_VERSION:
        raise ConfigError(
            f"{path} has format version {str(content.get('format_version'))[:20]}, this version reads "
            f"{FORMAT_VERSION}. Upgrade rasd-nnu."
        )
    try:
        arms = _Registry.model_validate(content).arms
    except ValidationError as error:
        raise ConfigError(f"{path} is damaged: {first_problem(error)}. {advice}") from None
    return {name: RegisteredWeights(name, entry.checkpoint, entry.format, entry.sha256) for name, entry in arms.items()}


def add_arm(
    name: str, checkpoint: str | Path, format: str | None = None, *, overwrite: bool = False
) -> RegisteredWeights:
    """Register a checkpoint under a name, after reading it once.

    Args:
        name: Letters and digits, as it becomes part of a class name.
        checkpoint: The file, which stays where it is, or ``hf://...`` or ``https://...``, which is downloaded.
        format: Its format.
        overwrite: Replace an arm of this name.

    Raises:
        ConfigError: If the name cannot be used or is taken.
        CheckpointError: If the file cannot be read or is not of this format.
    """
    if not re.fullmatch(ARM_NAME, name) or len(name) > 64 or name.lower() in RESERVED_ARMS or "trainer" in name.lower():
        raise ConfigError(
            f"an arm cannot be called {name!r}; expected letters and digits, as voco, none of "
            f"{', '.join(RESERVED_ARMS)} and nothing with 'trainer' in it."
        )
    _check_free(name, overwrite)
    source = open_source(local_path(checkpoint), format)
    arm = RegisteredWeights(name, str(source.path.resolve()), format, source.sha256)
    with exclusive(registry_path(), wait_s=_WAIT_S):
        _check_free(name, overwrite)
        _write({**read_arms(), name: arm})
    return arm


def _check_free(name: str, overwrite: bool) -> None:
    arms = read_arms()
    if name in arms and not overwrite:
        raise ConfigError(f"arm {name!r} exists ({arms[name].checkpoint}). Give --overwrite, or another name.")


def remove_arm(name: str) -> None:
    """Forget an arm; its file stays.

    Raises:
        ConfigError: If there is none of this name.
    """
    with exclusive(registry_path(), wait_s=_WAIT_S):
        arm = known_arm(name)
        _write({other: entry for other, entry in read_arms().items() if other != arm.name})


def known_arm(name: str) -> RegisteredWeights:
    """Return the arm ``name``.

    Raises:
        ConfigError: If there is none of this name.
    """
    arms = read_arms()
    if name not in arms:
        raise ConfigError(
            f"no arm {name!r} is registered (found: {', '.join(arms) or 'none'}).{did_you_mean(name, arms)} "
            f"Register it with `rasd_nnu arms add {name} --checkpoint FILE --format FORMAT`."
        )
    return arms[name]


def arm_source(name: str) -> tuple[Source, Choice]:
    """Return the weights of a registered arm, and what named them.

    Raises:
        ConfigError: If there is no such arm.
        CheckpointError: As `RegisteredWeights.open`.
    """
    source = known_arm(name).open()
    return source, Choice(source.path, f"arm {name}")


def _write(arms: dict[str, RegisteredWeights]) -> None:
    entries: dict[str, dict[str, Any]] = {}
    for name in sorted(arms):
        entries[name] = asdict(arms[name])
        del entries[name]["name"]
    write_text(registry_path(), json.dumps({"format_version": FORMAT_VERSION, "arms": entries}, indent=2) + "\n")
