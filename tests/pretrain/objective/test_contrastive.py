from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from rasd_nnu.checkpoints.file import load_checkpoint, resume_path, safe_load
from rasd_nnu.networks.build import build_network
from rasd_nnu.pretrain.objective import ContrastiveModule, PrototypeDisentangling
from rasd_nnu.pretrain.objective.contrastive import decoder_stages, draw_voxels, supervised_contrastive
from rasd_nnu.pretrain.synthesis import synthesize, synthesize_views
from tests.pretrain.loop_parts import history, start, stop_at, tiny_config, tiny_recipe, tiny_target


def unit(*shape: int, seed: int = 0) -> Tensor:
    return nn.functional.normalize(torch.randn(shape, generator=torch.Generator().manual_seed(seed)), dim=-1)


def reference(z: Tensor, label: Tensor, temperature: float) -> float:
    """Khosla et al., equation 2, term by term."""
    samples = []
    for one, classes in zip(z.double(), label, strict=True):
        anchors = []
        for i in range(len(one)):
            others = [a for a in range(len(one)) if a != i]
            positives = [p for p in others if classes[p] == classes[i]]
            if not positives:
                continue
            total = sum(math.exp(one[i] @ one[a] / temperature) for a in others)
            terms = [math.log(math.exp(one[i] @ one[p] / temperature) / total) for p in positives]
            anchors.append(-sum(terms) / len(terms))
        samples.append(sum(anchors) / len(anchors))
    return sum(samples) / len(samples)


def test_closed_form_of_orthogonal_classes() -> None:
    # Two classes of two equal vectors each: one positive at similarity 1, two negatives at 0.
    z = torch.tensor([[[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]])
    loss = supervised_contrastive(z, torch.tensor([[0, 0, 1, 1]]), temperature=0.5)
    assert loss.item() == pytest.approx(math.log(1 + 2 * math.exp(-2)))


def test_closed_form_of_equal_features() -> None:
    loss = supervised_contrastive(unit(1, 1, 4).expand(2, 10, 4), torch.zeros(2, 10, dtype=torch.int64), 0.1)
    assert loss.item() == pytest.approx(math.log(9))


@pytest.mark.parametrize("temperature", [0.07, 0.33])
def test_equals_the_equation_term_by_term(temperature: float) -> None:
    z = unit(2, 12, 5)
    label = torch.tensor([[0, 0, 1, 1, 1, 2, 2, 3, 0, 1, 2, 0], [0, 1, 2, 3, 4, 5, 6, 7, 7, 7, 0, 9]])
    assert supervised_contrastive(z, label, temperature).item() == pytest.approx(
        reference(z, label, temperature), rel=1e-5
    )


def test_order_and_names_of_the_classes_do_not_matter() -> None:
    z, label = unit(1, 20, 8), torch.arange(20)[None] % 3
    expected = supervised_contrastive(z, label, 0.33)
    order = torch.randperm(20, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(supervised_contrastive(z[:, order], label[:, order], 0.33), expected)
    torch.testing.assert_close(supervised_contrastive(z, 7 - label, 0.33), expected)


def test_samples_are_not_compared_with_each_other() -> None:
    z, label = unit(2, 10, 4), torch.arange(10).expand(2, -1) % 2
    apart = [supervised_contrastive(z[k : k + 1], label[k : k + 1], 0.33) for k in range(2)]
    torch.testing.assert_close(supervised_contrastive(z, label, 0.33), torch.stack(apart).mean())


def test_alone_in_its_class_has_no_part_and_nothing_is_not_a_number() -> None:
    z = unit(1, 3, 4).requires_grad_()
    loss = supervised_contrastive(z, torch.tensor([[0, 1, 2]]), 0.33)
    loss.backward()
    assert loss.item() == 0
    assert z.grad is not None
    assert (z.grad == 0).all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_finite_and_close_in_half_precision(dtype: torch.dtype) -> None:
    z, label = unit(2, 30, 16), torch.arange(30).expand(2, -1) % 4
    half = z.to(dtype).requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = supervised_contrastive(half, label, 0.07)
    loss.backward()
    assert loss.dtype == torch.float32
    assert half.grad is not None
    assert half.grad.isfinite().all()
    torch.testing.assert_close(loss, supervised_contrastive(z, label, 0.07), rtol=0.02, atol=0.02)


def test_drawn_voxels_have_the_class_at_their_centre() -> None:
    label = torch.randint(9, (2, 8, 12, 16), generator=torch.Generator().manual_seed(0))
    coarse = torch.stack([torch.stack([label[b, 1::2, 1::3, 2::4]] * 2) for b in range(2)])[:, :, None].float()
    assert coarse.shape == (2, 2, 1, 4, 4, 4)
    features, classes = draw_voxels(coarse, label, voxels=1000)  # all 64 of them
    assert features.shape == (2, 2, 64, 1)
    assert torch.equal(features[:, 0, :, 0].long(), classes)
    torch.manual_seed(0)
    features, classes = draw_voxels(label[:, None, None].float().expand(-1, 2, -1, -1, -1, -1), label, voxels=50)
    assert features.shape == (2, 2, 50, 1)
    assert torch.equal(features[:, 1, :, 0].long(), classes)


def test_two_appearances_of_one_label_map() -> None:
    config = tiny_config(shape=(16, 16, 16), classes=(3, 6))
    image, label = synthesize_views(config, 3, [5, 9], views=2)
    first, expected = synthesize(config, 3, [5, 9])
    assert image.shape == (2, 2, 1, 16, 16, 16)
    assert torch.equal(label, expected)
    assert torch.equal(image[:, 0], first)
    assert (image[:, 0] - image[:, 1]).abs().mean() > 0.1
    again, _ = synthesize_views(config, 3, [9], views=2)
    assert torch.equal(again[0], image[1])


def module(features: tuple[int, ...] = (4, 8, 8)) -> ContrastiveModule:
    network = build_network(tiny_target(features))
    return ContrastiveModule(network, 32, PrototypeDisentangling(normalize=True), num_classes=4)


def test_every_scale_and_every_trained_parameter_takes_part() -> None:
    torch.manual_seed(0)
    contrastive = module()
    assert len(decoder_stages(contrastive.network)) == 1
    assert len(contrastive.heads) == 2
    contrastive(*synthesize_views(tiny_config(), 0, [0, 1], views=2)).total.backward()
    without = [n for n, p in contrastive.named_parameters() if p.requires_grad and p.grad is None]
    assert without == []
    assert not any(m._forward_hooks for m in contrastive.network.modules())


def test_network_without_decoder_stages_is_compared_at_its_output() -> None:
    contrastive = ContrastiveModule(nn.Conv3d(1, 6, 1), 6, PrototypeDisentangling(), num_classes=4)
    assert len(contrastive.heads) == 1
    assert contrastive(*synthesize_views(tiny_config(), 0, [0], views=2)).total.isfinite()


def recipe(**changes: Any) -> Any:
    return tiny_recipe(objective="contrastive", temperature=0.33, **changes)


def test_learns_more_than_to_make_everything_equal() -> None:
    torch.manual_seed(0)
    network = build_network(tiny_target((8, 16)))
    learner = ContrastiveModule(network, 32, PrototypeDisentangling(normalize=True), num_classes=4, voxels=128)
    optimizer = torch.optim.AdamW([p for p in learner.parameters() if p.requires_grad], 3e-3)
    # One appearance twice: two different ones need hundreds of steps.
    image, label = synthesize(tiny_config(shape=(16, 16, 16)), 0, [0, 1])
    losses = []
    for _ in range(120):
        terms = learner(torch.stack([image, image], 1), label)
        optimizer.zero_grad()
        terms.total.backward()
        optimizer.step()
        losses.append(terms.total.item())
    assert sum(losses[-5:]) / 5 < math.log(2 * 128 - 1) - 0.1


def test_checkpoint_says_so_and_holds_no_heads(tmp_path: Path) -> None:
    start(tmp_path / "a.pth", recipe=recipe(iterations=2))
    content = load_checkpoint(tmp_path / "a.pth")
    assert content["rasd"]["objective"] == {
        "name": "supervised_contrastive",
        "temperature": 0.33,
        "views": 2,
        "voxels": 512,
        "projection": {"widths": [256, 256, 256], "normalization": "instance"},
    }
    # The projection heads are not among the weights, but a resumed run has them.
    build_network(tiny_target()).load_state_dict(content["network_weights"])
    assert "heads.0.0.weight" in safe_load(resume_path(tmp_path / "a.pth"))["learner"]["objective"]


@pytest.mark.parametrize("extra", [{}, {"ema": 0.9, "clip": 1.0, "accumulate": 2, "precision": "bf16"}])
def test_resume_is_exact(tmp_path: Path, extra: dict[str, Any]) -> None:
    start(tmp_path / "whole.pth", recipe=recipe(iterations=8, **extra))
    start(tmp_path / "part.pth", recipe=recipe(iterations=8, **extra), display=stop_at(3))
    start(tmp_path / "part.pth", recipe=recipe(iterations=8, **extra), resume=True)
    assert torch.equal(history(tmp_path / "whole.pth"), history(tmp_path / "part.pth"))
