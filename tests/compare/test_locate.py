from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from rasd_nnu.compare.locate import arm_trainings, find_summaries, other_trainer, records_in
from rasd_nnu.errors import CompareError

Write = Callable[..., Path]
Train = Callable[..., Path]
SCORES = {"c1": 0.5, "c2": 0.6}


@pytest.mark.parametrize(
    ("trainer", "vs", "other"),
    [
        ("RaSDTrainer", "scratch", "RaSDTrainer_scratch"),
        ("RaSDTrainer_2epochs_10iters_seed3", "scratch", "RaSDTrainer_scratch_2epochs_10iters_seed3"),
        ("RaSDTrainer_2epochs", "nnUNetTrainer", "nnUNetTrainer"),
        ("RaSDTrainer_2epochs_seed3", "voco", "RaSDTrainer_fromvoco_2epochs_seed3"),
        ("RaSDTrainer_fromvoco_2epochs", "rasd", "RaSDTrainer_2epochs"),
        ("RaSDTrainer_fromvoco_2epochs", "suprem", "RaSDTrainer_fromsuprem_2epochs"),
    ],
)
def test_the_other_arm(trainer: str, vs: str, other: str) -> None:
    assert other_trainer(trainer, vs) == other


@pytest.mark.parametrize(
    ("trainer", "why"),
    [("nnUNetTrainer", "has no scratch arm"), ("RaSDTrainer_scratch_2epochs", "is the scratch arm itself")],
)
def test_trainers_without_scratch_arm_are_refused(trainer: str, why: str) -> None:
    with pytest.raises(CompareError, match=why):
        other_trainer(trainer, "scratch")


def _arms(results: Path, *trainers: str, seeds: tuple[int, ...] = ()) -> list[dict]:
    place = results.parent, results.name
    return [arm_trainings(*place, t, "nnUNetPlans", "3d_fullres", seeds) for t in trainers]


def test_finds_all_folds_that_are_there(results: Path, train: Train) -> None:
    folders = [train(t, SCORES, fold) for t in ("RaSDTrainer", "RaSDTrainer_scratch") for fold in ("0", "10", "2")]
    a, b = find_summaries(_arms(results, "RaSDTrainer", "RaSDTrainer_scratch"))
    paths = [folder / "validation" / "summary.json" for folder in folders]
    assert records_in([folders[0].parent]) == [paths[0], paths[2], paths[1]]
    assert a[None] == [paths[0], paths[2], paths[1]]
    assert b[None] == [paths[3], paths[5], paths[4]]


def test_takes_only_the_folds_asked_for(results: Path, train: Train) -> None:
    for fold in ("0", "1", "all"):
        train("RaSDTrainer", SCORES, fold)
    (a,) = find_summaries(_arms(results, "RaSDTrainer"), ["all"])
    assert [p.parent.parent.name for p in a[None]] == ["fold_all"]
    (a,) = find_summaries(_arms(results, "RaSDTrainer"))
    assert [p.parent.parent.name for p in a[None]] == ["fold_0", "fold_1"]


def test_folders_beside_the_folds_are_not_folds(results: Path, train: Train) -> None:
    fold = train("RaSDTrainer", SCORES)
    train("RaSDTrainer", SCORES, "0_old")
    summary = fold / "validation" / "summary.json"
    assert find_summaries(_arms(results, "RaSDTrainer")) == [{None: [summary]}]
    assert records_in([fold.parent]) == [summary]


def test_a_fold_that_one_arm_lacks_is_an_error(results: Path, train: Train) -> None:
    train("RaSDTrainer", SCORES, "0")
    train("RaSDTrainer", SCORES, "1")
    train("RaSDTrainer_scratch", SCORES, "0")
    with pytest.raises(CompareError, match="nnUNetv2_train 4 3d_fullres 1 -tr RaSDTrainer_scratch`"):
        find_summaries(_arms(results, "RaSDTrainer", "RaSDTrainer_scratch"))


def test_a_missing_arm_names_folder_and_command(results: Path, train: Train) -> None:
    train("RaSDTrainer_2epochs", SCORES)
    with pytest.raises(CompareError) as error:
        find_summaries(_arms(results, "RaSDTrainer_2epochs", "RaSDTrainer_scratch_2epochs"))
    looked_for = results / "RaSDTrainer_scratch_2epochs__nnUNetPlans__3d_fullres/fold_0/validation/summary.json"
    assert str(looked_for) in str(error.value)
    assert "nnUNetv2_train 4 3d_fullres 0 -tr RaSDTrainer_scratch_2epochs" in str(error.value)


def test_a_trained_fold_without_validation_gets_val(results: Path, train: Train) -> None:
    (train("RaSDTrainer", SCORES) / "validation" / "summary.json").unlink()
    with pytest.raises(CompareError, match="-tr RaSDTrainer --val`"):
        find_summaries(_arms(results, "RaSDTrainer"))


def test_a_misspelt_trainer_is_told_what_is_there(results: Path, train: Train) -> None:
    train("nnUNetTrainer", SCORES)
    with pytest.raises(CompareError, match="Trainings there: nnUNetTrainer__nnUNetPlans__3d_fullres"):
        find_summaries(_arms(results, "nnUNetTrainr"))


def test_seeds_name_one_training_each(results: Path, train: Train) -> None:
    for seed in (0, 2):
        train(f"RaSDTrainer_2epochs_seed{seed}", SCORES)
    train("nnUNetTrainer", SCORES)
    a, b = find_summaries(_arms(results, "RaSDTrainer_2epochs", "nnUNetTrainer", seeds=(0, 2)))
    assert list(a) == [0, 2]
    assert "RaSDTrainer_2epochs_seed2__nnUNetPlans__3d_fullres" in str(a[2][0])
    assert list(b) == [None]


def test_seeds_and_a_seed_in_the_name_are_refused(results: Path) -> None:
    with pytest.raises(CompareError, match=r"RaSDTrainer_seed1 names a seed.*give it as RaSDTrainer$"):
        _arms(results, "RaSDTrainer_seed1", seeds=(0, 1))


def test_explicit_paths_may_be_file_fold_model_or_predictions(
    results: Path, train: Train, write_summary: Write
) -> None:
    fold = train("RaSDTrainer", SCORES)
    train("RaSDTrainer", SCORES, "1")
    summary = fold / "validation" / "summary.json"
    predictions = write_summary("predictions/summary.json", SCORES)
    assert records_in([summary]) == records_in([fold]) == records_in([fold / "validation"]) == [summary]
    assert records_in([fold.parent]) == [summary, fold.parent / "fold_1" / "validation" / "summary.json"]
    assert records_in([predictions.parent, fold]) == [predictions, summary]


def test_explicit_paths_without_summary_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CompareError, match="holds no summary"):
        records_in([tmp_path])
    with pytest.raises(CompareError, match="does not exist"):
        records_in([tmp_path / "nowhere"])
