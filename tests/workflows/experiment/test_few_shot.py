from __future__ import annotations

import pytest

from rasd_nnu.errors import DatasetError
from rasd_nnu.workflows.experiment.few_shot import few_shot_split


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "cases.csv"
    rows = [f"case_{k:02d},{k // 2}" for k in range(20)]
    path.write_text("\n".join(["case,group", *rows]))
    return path


@pytest.mark.parametrize("labelled", [4, 5])
def test_no_patient_is_on_both_sides(table, labelled):
    split = few_shot_split(table, labelled, 9, seed=3)
    assert len(split.train) == labelled and len(split.held_out) == 9
    patients = [{int(case[5:]) // 2 for case in side} for side in (split.train, split.held_out)]
    assert not patients[0] & patients[1]


def test_split_depends_on_the_seed_only(table):
    assert few_shot_split(table, 4, 8, seed=1) == few_shot_split(table, 4, 8, seed=1)
    assert few_shot_split(table, 4, 8, seed=1) != few_shot_split(table, 4, 8, seed=2)


@pytest.mark.parametrize(("labelled", "held_out"), [(21, 2), (10, 11), (4, 17)])
def test_too_few_cases_are_an_error(table, labelled, held_out):
    with pytest.raises(DatasetError, match="20 cases in 10 groups, too few"):
        few_shot_split(table, labelled, held_out)
