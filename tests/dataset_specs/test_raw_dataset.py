from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from nnunetv2.utilities.crossval_split import generate_crossval_split

from rasd_nnu.dataset_specs.raw_dataset import new_dataset
from rasd_nnu.dataset_specs.splits import grouped_folds
from rasd_nnu.errors import DatasetError


def test_cases_without_groups_get_the_folds_of_nnunet() -> None:
    cases = [f"case_{index:02d}" for index in range(23)]
    folds = grouped_folds({case: case for case in cases})
    assert folds == [
        {side: sorted(map(str, fold[side])) for side in ("train", "val")} for fold in generate_crossval_split(cases)
    ]


def test_order_of_the_cases_does_not_matter() -> None:
    groups = {f"case_{index}": f"patient_{index // 3}" for index in range(30)}
    shuffled = dict(np.random.default_rng(0).permutation(list(groups.items())).tolist())
    assert grouped_folds(groups) == grouped_folds(shuffled)


def test_seed_changes_the_folds() -> None:
    groups = {f"case_{index}": f"patient_{index // 2}" for index in range(40)}
    assert grouped_folds(groups, seed=1) != grouped_folds(groups, seed=2)


def test_too_few_groups() -> None:
    with pytest.raises(DatasetError, match=r"8 cases in 4 group\(s\) cannot be split into 5 folds"):
        grouped_folds({f"case_{index}": f"patient_{index // 2}" for index in range(8)})


def test_old_data_set_is_put_back_where_the_new_one_cannot_be_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "Dataset004_X"
    target.mkdir()
    (target / "old").touch()
    rename = Path.rename

    def fail_for_new(path: Path, to: Path) -> Path:
        if path.suffix == ".tmp":
            raise OSError("no space")
        return rename(path, to)

    monkeypatch.setattr(Path, "rename", fail_for_new)
    with pytest.raises(DatasetError, match=r"cannot write .*: no space"), new_dataset(target, overwrite=True):
        pass
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")] == [
        "Dataset004_X",
        "Dataset004_X/old",
    ]
