"""Synthesise samples into a folder; an interrupted command goes on where it was."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from rasd_nnu.errors import DatasetError
from rasd_nnu.files import remove_unfinished
from rasd_nnu.locks import FOLDER_LOCK, exclusive
from rasd_nnu.pretrain.offline.manifest import FILE_NAME, FileEntry, Manifest, read_manifest, sample_path
from rasd_nnu.pretrain.offline.sample_file import file_entry, read_sample, write_sample
from rasd_nnu.pretrain.stream import Batches, Share, stream
from rasd_nnu.pretrain.synthesis import SynthesisConfig


def write_samples(
    config: SynthesisConfig,
    folder: Path,
    samples: int,
    *,
    seed: int = 0,
    views: int = 1,
    device: torch.device | str = "cpu",
    workers: int = 0,
    tell: Callable[[int], None] = lambda done: None,
) -> Manifest:
    """Write the first ``samples`` samples of the stream ``seed``, the very ones that pre-training would make.

    Files that are there already and intact are kept: the same command again goes on, and with a larger number of
    samples it extends.

    Args:
        config: What to synthesise.
        folder: Where to; empty, or of an earlier command with the same configuration and seed.
        samples: How many.
        seed: The stream.
        views: Views of each sample; the contrastive objective needs 2.
        device: Where to synthesise.
        workers: Processes that synthesise ahead on the CPU.
        tell: Is called with the number of samples that are there.

    Returns:
        The complete manifest.

    Raises:
        DatasetError: If the folder holds something else, or the disk is too small.
        LockError: If another run is writing to the folder.
        OSError: If the folder cannot be written.
    """
    wanted = Manifest(config, seed, samples, views)
    _known_files(folder, wanted)
    folder.mkdir(parents=True, exist_ok=True)
    with exclusive(folder):
        return _write_missing(wanted, folder, device, workers, tell)


def _write_missing(
    wanted: Manifest, folder: Path, device: torch.device | str, workers: int, tell: Callable[[int], None]
) -> Manifest:
    """Write the samples that are not there; this process has the lock."""
    config, samples = wanted.config, wanted.samples
    known = _known_files(folder, wanted)
    entries = _intact(folder, wanted, known)
    tell(len(entries))
    if len(entries) == len(known) == samples:
        return replace(wanted, files=tuple(entries))
    _check_space(folder, wanted, len(entries))
    wanted.write(folder)
    remove_unfinished(folder, r"sample_\d+\.npz")
    batches = Batches(config, wanted.seed, Share(1), torch.device(device), views=wanted.views)
    for index, (image, label) in enumerate(stream(batches, len(entries), samples, workers), start=len(entries)):
        each_view = image if wanted.views > 1 else image[:, None]
        entries.append(write_sample(sample_path(folder, index), each_view[0].cpu(), label[0].cpu()))
        tell(len(entries))
    written = replace(wanted, files=tuple(entries))
    written.write(folder)
    return written


def _known_files(folder: Path, wanted: Manifest) -> tuple[FileEntry, ...]:
    """Check that the folder is empty or of the same request, and return the entries of its manifest."""
    if not (folder / FILE_NAME).is_file():
        if folder.exists() and (not folder.is_dir() or {path.name for path in folder.iterdir()} - {FOLDER_LOCK}):
            raise DatasetError(f"{folder} exists and holds no samples of ours. Give another --out.")
        return ()
    there = read_manifest(folder)
    ours = wanted.request()
    for key, value in there.request().items():
        if value != ours[key]:
            detail = "" if key == "synthesis" else f" ({value} there, {ours[key]} now)"
            raise DatasetError(f"{folder} holds samples of another {key}{detail}. Give the same, or another --out.")
    if there.samples > wanted.samples:
        raise DatasetError(
            f"{folder} holds {there.samples} samples, expected at most {wanted.samples}. Give --n {there.samples}, "
            "or another --out."
        )
    return there.files


def _intact(folder: Path, wanted: Manifest, known: tuple[FileEntry, ...]) -> list[FileEntry]:
    """Return the entries of the leading samples that are whole and, where their digest is known, unchanged."""
    entries: list[FileEntry] = []
    for index in range(wanted.samples):
        path = sample_path(folder, index)
        try:
            read_sample(path, wanted.config, wanted.views)
            entry = file_entry(path)
        except DatasetError:  # it is made anew
            break
        if index < len(known) and entry != known[index]:
            break
        entries.append(entry)
    return entries


def _check_space(folder: Path, wanted: Manifest, there: int) -> None:
    """Raise `DatasetError` unless the samples that are missing fit on the disk."""
    free = shutil.disk_usage(folder).free
    voxels = torch.Size(wanted.config.shape).numel()
    needed = (wanted.samples - there) * voxels * 2 * wanted.config.channels * wanted.views
    if needed > free:
        raise DatasetError(
            f"{wanted.samples - there} samples need {needed / 1e9:.1f} GB and {folder} has {free / 1e9:.1f} GB free. "
            "Choose another --out, or fewer samples; `rasd_nnu pretrain` without --offline needs none."
        )
