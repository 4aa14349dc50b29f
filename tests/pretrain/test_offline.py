from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rasd_nnu.checkpoints.file import load_checkpoint
from rasd_nnu.errors import CheckpointError, DatasetError
from rasd_nnu.pretrain.offline import OfflineBatches, OfflineSamples, open_samples, write_samples
from rasd_nnu.pretrain.offline.manifest import read_manifest, sample_path
from rasd_nnu.pretrain.offline.sample_file import write_sample
from rasd_nnu.pretrain.stream import Share
from rasd_nnu.pretrain.synthesis import synthesize, synthesize_views
from tests.pretrain.loop_parts import Watcher, history, start, stop_at, tiny_config, tiny_recipe

CPU = torch.device("cpu")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_samples(tiny_config(), tmp_path / "samples", 5, seed=3)
    return tmp_path / "samples"


def digests(folder: Path) -> list[str]:
    return [entry.sha256 for entry in read_manifest(folder).files]


def batches(folder: Path, size: int = 2, **options: Any) -> OfflineBatches:
    return OfflineBatches(open_samples(folder, verify=True), options.pop("seed", 0), Share(size), CPU, **options)


def test_samples_are_those_of_the_stream(folder: Path) -> None:
    data = batches(folder, 5)
    image, label = data[0]
    expected, classes = synthesize(tiny_config(), 3, data.indices(0))
    assert torch.equal(label, classes)
    assert (image.dtype, label.dtype) == (torch.float32, torch.int64)
    torch.testing.assert_close(image, expected, rtol=5e-4, atol=1e-6)


def test_same_command_gives_the_same_bytes_whatever_the_workers(folder: Path, tmp_path: Path) -> None:
    write_samples(tiny_config(), tmp_path / "again", 5, seed=3, workers=2)
    assert digests(tmp_path / "again") == digests(folder)


def test_files_are_small_and_hold_no_pickle(folder: Path) -> None:
    with np.load(sample_path(folder, 0), allow_pickle=False) as archive:
        assert {name: archive[name].dtype.name for name in archive} == {"image": "float16", "label": "uint8"}
    voxels = 8**3
    assert sample_path(folder, 0).stat().st_size < 2 * voxels + voxels + 1000


def test_interrupted_goes_on_and_larger_extends(folder: Path, tmp_path: Path) -> None:
    def kill(done: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    other = tmp_path / "other"
    with pytest.raises(KeyboardInterrupt):
        write_samples(tiny_config(), other, 4, seed=3, tell=kill)
    with pytest.raises(DatasetError, match=r"was not finished \(4 samples wanted\)"):
        open_samples(other)
    (other / ".sample_000003.npz.abcdefgh.rasd_tmp").write_bytes(b"half")
    third = sample_path(other, 2).stat().st_mtime_ns
    write_samples(tiny_config(), other, 5, seed=3)
    assert sample_path(other, 2).stat().st_mtime_ns == third
    assert digests(other) == digests(folder)
    assert not list(other.glob(".sample*"))
    told: list[int] = []
    write_samples(tiny_config(), other, 5, seed=3, tell=told.append)
    assert told == [5]


def test_damaged_file_is_made_anew(folder: Path) -> None:
    before = digests(folder)
    damage(sample_path(folder, 2))
    write_samples(tiny_config(), folder, 5, seed=3)
    assert digests(folder) == before
    open_samples(folder, verify=True)


def damage(path: Path) -> None:
    """Flip a bit in the middle, which leaves the size as it is."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_another_request_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"samples of another seed \(3 there, 4 now\)"):
        write_samples(tiny_config(), folder, 5, seed=4)
    with pytest.raises(DatasetError, match="samples of another synthesis"):
        write_samples(tiny_config(classes=5), folder, 5, seed=3)
    with pytest.raises(DatasetError, match="holds 5 samples, expected at most 4. Give --n 5"):
        write_samples(tiny_config(), folder, 4, seed=3)
    with pytest.raises(DatasetError, match="holds no samples of ours"):
        write_samples(tiny_config(), tmp_path, 4)


def test_samples_of_an_older_stream_are_read_but_not_extended(folder: Path) -> None:
    path = folder / "manifest.json"
    content = json.loads(path.read_text())
    del content["stream"]  # as the first version wrote it
    path.write_text(json.dumps(content))
    assert open_samples(folder, verify=True).manifest.samples == 5
    with pytest.raises(DatasetError, match=r"samples of another stream \(1 there, 2 now\)"):
        write_samples(tiny_config(), folder, 6, seed=3)


def test_no_space_is_told_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"need .* GB and .* GB free"):
        write_samples(tiny_config(shape=(512, 512, 512)), tmp_path / "a", 10**6)
    assert list((tmp_path / "a").iterdir()) == []


def test_an_intensity_beyond_half_precision_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="beyond float16"):
        write_sample(tmp_path / "a.npz", torch.full((1, 1, 4, 4, 4), 1e6), torch.zeros(4, 4, 4, dtype=torch.int64))
    assert list(tmp_path.iterdir()) == []


def test_epochs_are_shuffled_and_complete(folder: Path) -> None:
    data = batches(folder, 2)
    drawn = [index for iteration in range(10) for index in data.indices(iteration)]
    epochs = [drawn[k : k + 5] for k in range(0, 20, 5)]
    assert all(sorted(epoch) == list(range(5)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 1
    other = batches(folder, 2, seed=1)
    assert drawn != [index for iteration in range(10) for index in other.indices(iteration)]
    parts = [OfflineBatches(data.samples, 0, Share(2, rank, 2), CPU).indices(3) for rank in range(2)]
    assert [n for part in parts for n in part] == data.indices(3)


def test_run_reads_them_and_counts_the_different_ones(folder: Path, tmp_path: Path) -> None:
    watcher = Watcher()
    result = run(tmp_path / "a.pth", folder, display=watcher)
    meta = load_checkpoint(tmp_path / "a.pth")["rasd"]
    assert (meta["samples_seen"], meta["samples_different"], result.samples_different) == (12, 5, 5)
    assert meta["offline"] == {"samples": 5, "digest": read_manifest(folder).digest}
    assert any(f"5 different ones of {folder}" in text for text in watcher.messages)


def run(out: Path, folder: Path, **options: Any) -> Any:
    return start(out, offline=open_samples(folder), **options)


def test_resume_is_exact_and_workers_change_nothing(folder: Path, tmp_path: Path) -> None:
    from rasd_nnu.pretrain.hardware import Hardware

    run(tmp_path / "whole.pth", folder, hardware=Hardware(device="cpu", workers=2))
    run(tmp_path / "part.pth", folder, display=stop_at(3))
    run(tmp_path / "part.pth", folder, resume=True)
    assert torch.equal(history(tmp_path / "whole.pth"), history(tmp_path / "part.pth"))


def test_resume_with_other_samples_is_refused(folder: Path, tmp_path: Path) -> None:
    write_samples(tiny_config(), tmp_path / "other", 4, seed=3)
    run(tmp_path / "a.pth", folder, display=stop_at(2))
    for options in ({"offline": open_samples(tmp_path / "other")}, {}):
        with pytest.raises(CheckpointError, match="belongs to another run: offline_samples is"):
            start(tmp_path / "a.pth", resume=True, **options)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": 6}, "other classes 4, expected 6"),
        ({"spacing": (2.0, 1.0, 1.0)}, r"other spacing \[1.0, 1.0, 1.0\], expected \[2.0, 1.0, 1.0\]"),
        ({"normalization": ()}, r"other normalization \['ZScoreNormalization'\], expected \[\]"),
        ({"overrides": {"blur.sigma": [0, 3, "vox"]}}, "other priors. Synthesise"),
    ],
)
def test_samples_of_another_kind_are_refused(
    folder: Path, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(DatasetError, match=message):
        run(tmp_path / "a.pth", folder, config=tiny_config(**changes))
    assert not (tmp_path / "a.pth").exists()


def test_missing_short_and_damaged_files_are_told_before_the_start(folder: Path) -> None:
    path = sample_path(folder, 1)
    damage(path)
    assert isinstance(open_samples(folder), OfflineSamples)  # of the right size: only a look inside tells
    with pytest.raises(DatasetError, match=r"sample_000001.npz is damaged: its SHA-256"):
        open_samples(folder, verify=True)
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(DatasetError, match=r"sample_000001.npz has \d+ bytes, expected \d+"):
        open_samples(folder)
    path.unlink()
    with pytest.raises(DatasetError, match=r"sample_000001.npz is missing"):
        open_samples(folder)


def test_damage_found_while_training_ends_it_in_one_line(folder: Path, tmp_path: Path) -> None:
    damage(sample_path(folder, 1))
    with pytest.raises(DatasetError, match=r"sample_000001.npz is missing or damaged"):
        run(tmp_path / "a.pth", folder)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not valid JSON"),
        ("[]", "holds a list, expected a JSON object"),
        ('{"format_version": 2}', "has format version 2, expected 1"),
        ('{"format_version": 1}', "is damaged .KeyError"),
    ],
)
def test_manifest_of_another_kind(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(DatasetError, match=message):
        open_samples(tmp_path)


def test_folder_without_manifest(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"has no manifest.json; expected a folder that `rasd_nnu synthesize"):
        open_samples(tmp_path)


def test_file_of_another_shape(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["synthesis"]["shape"] = [4, 8, 8]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(DatasetError, match=r"holds .*\(1, 1, 8, 8, 8\).* expected .*\(1, 1, 4, 8, 8\)"):
        batches(folder)[0]


def test_contrastive_needs_two_views(folder: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(objective="contrastive")
    with pytest.raises(DatasetError, match=r"have one view each, .* needs 2. Synthesise with --views 2"):
        run(tmp_path / "a.pth", folder, recipe=recipe)
    write_samples(tiny_config(), tmp_path / "two", 3, views=2)
    data = batches(tmp_path / "two", 3, views=2)
    image, _ = data[0]
    expected, _ = synthesize_views(tiny_config(), 0, data.indices(0), views=2)
    torch.testing.assert_close(image, expected, rtol=5e-4, atol=1e-6)
    assert run(tmp_path / "a.pth", tmp_path / "two", recipe=recipe).iterations == 6
    assert batches(tmp_path / "two", 3)[0][0].shape == (3, 1, 8, 8, 8)
