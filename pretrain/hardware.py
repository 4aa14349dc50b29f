"""Where a run happens: devices, processes and precision, by lightning-fabric."""

from __future__ import annotations

import ctypes
import logging
import platform
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning_fabric.utilities.rank_zero import rank_zero_only
from torch import nn

from rasd_nnu.errors import ConfigError, SetupError
from rasd_nnu.pretrain.recipe import Recipe

DEVICES = ("auto", "cpu", "cuda")
_MALLOC_TRIM_THRESHOLD, _MALLOC_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
_FABRIC_PRECISION = {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}


@dataclass(frozen=True)
class Hardware:
    """Where to run; nothing here changes the samples.

    Args:
        device: ``cpu``, ``cuda``, or ``auto`` for CUDA where there is one.
        devices: Devices (processes, on the CPU) on each node.
        nodes: Number of nodes.
        workers: Processes that synthesise ahead on the CPU; 0 synthesises in the training process.
        compile: Let ``torch.compile`` work on the network; takes minutes at the start.

    Raises:
        ConfigError: If a number is out of its range or workers are asked for on a GPU.
        SetupError: If CUDA is asked for and missing.
    """

    device: str = "auto"
    devices: int = 1
    nodes: int = 1
    workers: int = 0
    compile: bool = False

    def __post_init__(self) -> None:
        if self.device not in DEVICES:
            raise ConfigError(f"device is {self.device!r}, expected one of {', '.join(DEVICES)}")
        for name, least in (("devices", 1), ("nodes", 1), ("workers", 0)):
            if getattr(self, name) < least:
                raise ConfigError(f"{name} is {getattr(self, name)}, expected at least {least}")
        if self.device == "cuda" and not torch.cuda.is_available():
            raise SetupError(
                "device is 'cuda', but PyTorch sees no CUDA device. Use --device cpu, or fix the CUDA installation."
            )
        if self.workers and self.accelerator == "cuda":
            raise ConfigError(f"workers is {self.workers}, expected 0 with CUDA: samples are made on the GPU itself.")

    @property
    def accelerator(self) -> str:
        """``cpu`` or ``cuda``."""
        if self.device == "auto":
            return "cuda" if torch.cuda.is_available() else "cpu"
        return self.device

    @property
    def processes(self) -> int:
        """Number of processes over all nodes."""
        return self.devices * self.nodes

    def best_precision(self) -> str:
        """Return ``bf16`` where the device computes in it natively, else ``fp32``."""
        return "bf16" if _computes_in_bf16(self.accelerator) else "fp32"


def _computes_in_bf16(accelerator: str) -> bool:
    """Tell whether the device has instructions for bf16; of CPUs only recent versions of PyTorch can tell."""
    if accelerator == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    capabilities: Mapping[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16"))


def check_fit(recipe: Recipe, hardware: Hardware) -> None:
    """Raise `ConfigError` if the batch cannot be shared out, or launcher or device do not do what is asked."""
    parts = hardware.processes * recipe.accumulate
    if recipe.batch_size % parts:
        raise ConfigError(
            f"batch_size is {recipe.batch_size}, expected a multiple of {parts} "
            f"({hardware.processes} processes x {recipe.accumulate} parts): it counts all devices together."
        )
    if hardware.compile and recipe.objective == "contrastive":
        raise ConfigError("compile is on, expected off with the contrastive objective, which looks inside the network.")
    for launcher in (TorchElasticEnvironment, SLURMEnvironment):
        if launcher.detect() and launcher().world_size() != hardware.processes:
            raise ConfigError(
                f"{launcher().world_size()} processes were started from outside (torchrun or srun), expected "
                f"{hardware.devices} devices x {hardware.nodes} nodes. Make --devices and --nodes agree with them."
            )
    if hardware.accelerator == "cpu" and recipe.precision == "fp16":
        raise ConfigError("precision is 'fp16', expected fp32 or bf16 on a CPU.")
    if hardware.accelerator == "cuda":
        if hardware.devices > torch.cuda.device_count():
            raise ConfigError(f"devices is {hardware.devices}, but there are {torch.cuda.device_count()} GPUs.")
        if recipe.precision == "bf16" and not _computes_in_bf16("cuda"):
            raise ConfigError("precision is 'bf16', which this GPU lacks. Use fp16 or fp32.")


def memory_format(device: torch.device, network: nn.Module) -> torch.memory_format:
    """Return the order of a network's weights in memory that makes its convolutions fast.

    On a CPU channels-last pays for 3D networks with fewer channels than a vector register holds; more are put into
    blocks by oneDNN itself, at a better price (benchmarks/step.py --layouts). The order depends on nothing that changes
    between a run and its resumption.
    """
    widths = [parameter.shape[0] for parameter in network.parameters() if parameter.ndim == 5]
    pays = device.type == "cpu" and bool(widths) and min(widths) < 16
    return torch.channels_last_3d if pays else torch.contiguous_format


def keep_freed_memory() -> None:
    """Let the process keep the memory that it frees, for its next allocation, where the C library is glibc.

    By default glibc gives blocks above 32 MiB back at once, and the system clears each page anew when it is touched
    again: a third of a step of Swin UNETR on a CPU. The peak of memory stays about the same.
    """
    if platform.libc_ver()[0] == "glibc":
        library = ctypes.CDLL(None)
        for parameter in (_MALLOC_TRIM_THRESHOLD, _MALLOC_MMAP_THRESHOLD):
            library.mallopt(parameter, 2**31 - 1)


def is_main_process() -> bool:
    """Tell whether this process is the one that writes and reports; known before the others start."""
    return getattr(rank_zero_only, "rank", 0) == 0


def make_fabric(recipe: Recipe, hardware: Hardware) -> Fabric:
    """Return a launched Fabric; with several processes this starts the other ones.

    Raises:
        ConfigError: As `check_fit`.
    """
    check_fit(recipe, hardware)
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    if hardware.accelerator == "cpu":
        keep_freed_memory()
    with warnings.catch_warnings():
        # Advice to use all of a node's devices, or to start through srun: both are the user's choice.
        warnings.filterwarnings("ignore", module=r"lightning_fabric\..*")
        fabric = Fabric(
            accelerator=hardware.accelerator,
            devices=hardware.devices,
            num_nodes=hardware.nodes,
            strategy="ddp" if hardware.processes > 1 else "auto",
            precision=_FABRIC_PRECISION[recipe.precision],  # type: ignore[arg-type]
        )
        fabric.launch()
    return fabric
