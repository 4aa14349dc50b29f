"""Checkpoints written before networks moved out of ``rasd_nnu.pretrain`` keep loading."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from rasd_nnu.checkpoints.read import open_source
from rasd_nnu.networks.bodies import ResidualUnet2d
from rasd_nnu.networks.build import build_network
from rasd_nnu.transfer import StartOptions, start

OLD = Path(__file__).parents[1] / "data" / "checkpoint_before_move.pth"


@pytest.fixture
def old() -> Path:
    pytest.importorskip("monai")
    return OLD


def test_file_names_the_former_home(old: Path) -> None:
    content = torch.load(old, weights_only=True)
    assert content["rasd"]["architecture"]["network_class_name"] == "rasd_nnu.pretrain.architectures.ResidualUnet2d"


def test_it_is_read_built_and_transferred(old: Path) -> None:
    source = open_source(old)
    assert source.description is not None
    network = build_network(source.description)
    assert isinstance(network, ResidualUnet2d)
    report = start(source, source.description, network, StartOptions(transfer="whole"))
    assert report.share_of_parameters() == 1.0


def test_former_import_path_gives_the_same_class() -> None:
    pytest.importorskip("monai")
    from rasd_nnu.pretrain import architectures

    assert architectures.ResidualUnet2d is ResidualUnet2d
