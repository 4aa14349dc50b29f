from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from rasd_nnu.errors import ConfigError
from rasd_nnu.pretrain.objective import PrototypeDisentangling, Terms, chunks

TAU = 0.07


def objective(**options: Any) -> PrototypeDisentangling:
    return PrototypeDisentangling(**options)


def loops(features: Tensor, label: Tensor, classes: int, *, sums: bool = False) -> tuple[Tensor, Tensor, float]:
    """Equations 5-7 with loops over samples, classes and voxels, in float64."""
    separation, clustering, right = [], [], 0
    for f, y in zip(features.double().flatten(2), label.flatten(1), strict=True):
        present = [i for i in range(classes) if (y == i).any()]
        prototypes = {i: f[:, y == i].mean(1) for i in present}
        per_class = []
        for i in present:
            row = torch.stack([prototypes[i] @ prototypes[j] / TAU for j in present])
            per_class.append(row.logsumexp(0) - row[present.index(i)])
        per_voxel = []
        for v in range(y.numel()):
            row = torch.stack([prototypes[j] @ f[:, v] / TAU for j in present])
            per_voxel.append(row.logsumexp(0) - row[present.index(int(y[v]))])
            right += int(row.argmax()) == present.index(int(y[v]))
        reduce = torch.sum if sums else torch.mean
        separation.append(reduce(torch.stack(per_class)))
        clustering.append(reduce(torch.stack(per_voxel)))
    return torch.stack(separation).mean(), torch.stack(clustering).mean(), right / label.numel()


def sample(
    seed: int = 0, classes: int = 5, absent: int | None = 3, shape: tuple[int, ...] = (4, 5)
) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn((2, 6, *shape), generator=generator)
    label = torch.randint(0, classes, (2, *shape), generator=generator)
    if absent is not None:
        label[0][label[0] == absent] = 0
    return features, label


@pytest.fixture(params=[7, 2**16])
def piece(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(chunks._VOXELS, "cpu", request.param)


@pytest.mark.parametrize("sums", [False, True])
@pytest.mark.parametrize("shape", [(4, 5), (3, 2, 4)])
def test_plain_form_agrees_with_loops_over_voxels(sums: bool, shape: tuple[int, ...]) -> None:
    features, label = sample(shape=shape)
    terms = objective(reduction="paper_sum" if sums else "mean", implementation="plain")(features, label, 5)
    separation, clustering, accuracy = loops(features, label, 5, sums=sums)
    torch.testing.assert_close(terms.separation.double(), separation, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(terms.clustering.double(), clustering, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(terms.total.double(), separation + clustering, rtol=1e-5, atol=1e-6)
    assert terms.accuracy.item() == pytest.approx(accuracy)


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("reduction", ["mean", "paper_sum"])
@pytest.mark.parametrize("shape", [(4, 5), (3, 2, 4)])
@pytest.mark.usefixtures("piece")
def test_fast_form_agrees_with_the_plain_one(normalize: bool, reduction: str, shape: tuple[int, ...]) -> None:
    features, label = sample(shape=shape)  # one class is absent from one sample, two from both
    features = features.double().requires_grad_()
    results = []
    for implementation in ("fast", "plain"):
        terms = objective(reduction=reduction, normalize=normalize, implementation=implementation)(features, label, 7)
        gradients = [torch.autograd.grad(term, features, retain_graph=True)[0] for term in terms[:3]]
        results.append([*terms, *gradients])
    torch.testing.assert_close(*results)
    assert all(torch.isfinite(value).all() for value in results[1])


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("implementation", ["fast", "plain"])
@pytest.mark.usefixtures("piece")
def test_gradient_agrees_with_finite_differences(normalize: bool, implementation: str) -> None:
    features, label = sample()
    features = (features.double() * 0.3).requires_grad_()
    loss = objective(normalize=normalize, implementation=implementation)
    assert torch.autograd.gradcheck(lambda f: loss(f, label, 5)[:3], features)


@pytest.mark.parametrize("classes", [2, 3, 6])
def test_orthogonal_prototypes_closed_form(classes: int) -> None:
    label = torch.arange(classes).repeat(4)[None]
    features = functional.one_hot(label, classes).double().transpose(1, 2)
    terms = PrototypeDisentangling()(features, label, classes)
    expected = math.log(1 + (classes - 1) * math.exp(-1 / TAU))
    assert terms.separation.item() == pytest.approx(expected, rel=1e-6)
    assert terms.clustering.item() == pytest.approx(expected, rel=1e-6)
    assert terms.accuracy.item() == 1


def test_equal_features_give_log_of_present_classes() -> None:
    label = torch.tensor([[0, 1, 3, 3]])
    terms = PrototypeDisentangling()(torch.ones(1, 2, 4), label, 5)
    assert terms.separation.item() == pytest.approx(math.log(3), rel=1e-6)
    assert terms.clustering.item() == pytest.approx(math.log(3), rel=1e-6)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("implementation", ["fast", "plain"])
def test_absent_classes_stay_finite(dtype: torch.dtype, normalize: bool, implementation: str) -> None:
    features = (torch.randn(2, 4, 6, 6) * 30).to(dtype).requires_grad_()
    label = torch.zeros(2, 6, 6, dtype=torch.int64)  # classes 1..7 absent from one sample, some from the other
    label[1, :3] = 6
    terms = objective(normalize=normalize, implementation=implementation)(features, label, 8)
    terms.total.backward()
    assert features.grad is not None
    assert terms.total.dtype == torch.float32
    assert torch.isfinite(torch.stack(terms)).all()
    assert torch.isfinite(features.grad).all()
    assert features.grad.dtype == dtype


def test_single_region_costs_nothing() -> None:
    features = torch.randn(1, 4, 9).requires_grad_()
    terms = PrototypeDisentangling()(features, torch.full((1, 9), 2), 4)
    terms.total.backward()
    assert features.grad is not None
    assert terms.total.item() == pytest.approx(0, abs=1e-5)
    assert features.grad.abs().max().item() < 1e-5


def test_no_vanishing_gradient_when_the_softmax_underflows() -> None:
    features = torch.zeros(1, 2, 4)
    features[0, 0, :2], features[0, 1, 2:] = 3.0, 3.0
    features[0, :, 0] = features[0, :, 2]  # a voxel of region 0 that looks entirely like region 1
    features.requires_grad_()
    terms = PrototypeDisentangling()(features, torch.tensor([[0, 0, 1, 1]]), 2)
    (gradient,) = torch.autograd.grad(terms.clustering, features)
    assert gradient[0, :, 0].norm().item() > 1


def test_invariant_to_names_of_classes_and_order_of_voxels() -> None:
    features, label = sample()
    loss = PrototypeDisentangling()
    names = torch.tensor([4, 0, 3, 1, 2])
    order = torch.randperm(20, generator=torch.Generator().manual_seed(1))
    plain = loss(features, label, 5)
    torch.testing.assert_close(loss(features, names[label], 5), plain)
    torch.testing.assert_close(loss(features.flatten(2)[:, :, order], label.flatten(1)[:, order], 5), plain)


def test_more_possible_classes_change_nothing() -> None:
    features, label = sample()
    torch.testing.assert_close(
        PrototypeDisentangling()(features, label, 9), PrototypeDisentangling()(features, label, 5)
    )


def test_batch_is_the_mean_of_its_samples() -> None:
    features, label = sample()
    loss = PrototypeDisentangling()
    joint = loss(features, label, 5)
    single = [loss(features[[b]], label[[b]], 5) for b in range(2)]
    mean = Terms(*(torch.stack(values).mean() for values in zip(*single, strict=True)))
    torch.testing.assert_close(joint, mean)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_agrees_within_tolerance(dtype: torch.dtype) -> None:
    features, label = sample()
    half = (features * 0.3).to(dtype).requires_grad_()
    full = half.detach().float().requires_grad_()
    loss = PrototypeDisentangling()
    with torch.autocast("cpu", dtype=dtype):
        terms = loss(half, label, 5)
    torch.testing.assert_close(terms, loss(full, label, 5))  # same numbers in: computed in float32
    terms.total.backward()
    loss(full, label, 5).total.backward()
    assert half.grad is not None and full.grad is not None
    torch.testing.assert_close(half.grad.float(), full.grad, rtol=0.02, atol=1e-4)


def test_normalised_features_have_no_gradient_along_themselves() -> None:
    features, label = sample()
    features = features.double().requires_grad_()
    (gradient,) = torch.autograd.grad(objective(normalize=True)(features, label, 5).total, features)
    assert (gradient * features).sum(1).abs().max().item() < 1e-9  # the length of a feature does not matter


def test_layout_of_the_features_does_not_matter() -> None:
    features, label = sample(shape=(3, 4, 5))
    last = features.clone(memory_format=torch.channels_last_3d).requires_grad_()
    first = features.clone().requires_grad_()
    loss = PrototypeDisentangling(normalize=True)
    for tensor in (first, last):
        loss(tensor, label, 5).total.backward()
    assert first.grad is not None and last.grad is not None
    torch.testing.assert_close(first.grad, last.grad)
    assert last.grad.is_contiguous(memory_format=torch.channels_last_3d)


def test_feature_of_no_length_has_a_finite_gradient() -> None:
    features, label = sample()
    features[0, :, 1, 2] = 0
    features.requires_grad_()
    PrototypeDisentangling(normalize=True)(features, label, 5).total.backward()
    assert features.grad is not None
    assert torch.isfinite(features.grad).all()


def test_normalize_ignores_the_length_of_features() -> None:
    features, label = sample()
    length = 1 + torch.rand(2, 1, 4, 5)
    loss = PrototypeDisentangling(normalize=True)
    torch.testing.assert_close(loss(features * length, label, 5), loss(features, label, 5))


def test_nearest_agrees_with_accuracy() -> None:
    features, label = sample()
    loss = PrototypeDisentangling()
    nearest = loss.nearest(features, label, 5)
    assert (nearest == label).float().mean().item() == pytest.approx(loss(features, label, 5).accuracy.item())


def test_no_volume_of_similarities_is_kept() -> None:
    features, label = sample(shape=(32, 32), absent=None)
    features.requires_grad_()
    kept: list[Tensor] = []

    def keep(tensor: Tensor) -> Tensor:
        kept.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t):
        PrototypeDisentangling()(features, label, 5)
    storages = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in kept}
    inputs = {t.untyped_storage().data_ptr() for t in (features, label)}
    number_a_voxel = 4 * 2 * 32 * 32  # bytes; the similarities would be five
    assert sum(size for pointer, size in storages.items() if pointer not in inputs) < 1.1 * number_a_voxel


def test_bad_arguments() -> None:
    with pytest.raises(ConfigError, match=r"temperature must be above 0, got 0"):
        PrototypeDisentangling(temperature=0)
    with pytest.raises(ConfigError, match=r"unknown reduction 'means'.*Did you mean 'mean'"):
        PrototypeDisentangling(reduction="means")
    with pytest.raises(ConfigError, match=r"unknown implementation 'plane'.*Did you mean 'plain'"):
        PrototypeDisentangling(implementation="plane")
    with pytest.raises(ValueError, match=r"label must be int64 of shape \(2, 4, 5\)"):
        PrototypeDisentangling()(torch.zeros(2, 3, 4, 5), torch.zeros(2, 5, 4, dtype=torch.int64), 2)
