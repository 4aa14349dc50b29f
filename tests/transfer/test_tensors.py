from __future__ import annotations

import torch

from rasd_nnu.networks.build import build_network
from rasd_nnu.nnunet.plans import NetworkTarget
from rasd_nnu.transfer import distinct_tensors
from tests.helpers import architecture


def _network() -> torch.nn.Module:
    return build_network(NetworkTarget(architecture(3), 1, (16,) * 3, (1.0,) * 3, 2))


def test_aliases_are_counted_once() -> None:
    network = _network()
    state = network.state_dict()
    tensors = distinct_tensors(state)
    parameters = list(network.parameters())  # torch lists a shared parameter once
    assert len(tensors) == len(parameters) < len(state)
    assert {t.tensor.data_ptr() for t in tensors} == {p.data_ptr() for p in parameters}
    assert sum(len(t.names) for t in tensors) == len(state)


def test_parts() -> None:
    parts = {t.names[0]: t.part for t in distinct_tensors(_network().state_dict())}
    assert parts["encoder.stages.0.0.convs.0.conv.weight"] == "encoder"
    assert parts["decoder.stages.0.convs.0.conv.weight"] == "decoder"
    assert parts["decoder.transpconvs.0.weight"] == "decoder"
    assert parts["decoder.seg_layers.0.weight"] == "head"


def test_equal_values_and_views_of_other_shape_are_distinct() -> None:
    base = torch.zeros(4)
    state = {"a": base, "b": base, "c": torch.zeros(4), "d": base[:2], "e": torch.zeros(0), "f": torch.zeros(0)}
    assert [t.names for t in distinct_tensors(state)] == [("a", "b"), ("c",), ("d",), ("e",), ("f",)]
