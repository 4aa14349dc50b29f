from __future__ import annotations

import nibabel
import numpy as np
import pytest
from typer.testing import CliRunner

from rasd_nnu.cli.main import app
from rasd_nnu.errors import ConfigError
from tests.helpers import NAME, tiny_dataset

SMALL = ["--shape", "32,40", "--samples", "1"]


def preview(*arguments: str):
    return CliRunner().invoke(app, ["preview", *arguments])


def test_writes_a_sheet_and_does_not_overwrite_it(tmp_path):
    out = tmp_path / "sheets" / "sheet.png"
    assert preview(*SMALL, "--classes", "2,3", "--out", str(out)).exit_code == 0
    before = out.read_bytes()
    assert before.startswith(b"\x89PNG")
    refused = preview(*SMALL, "--seed", "1", "--out", str(out))
    assert isinstance(refused.exception, ConfigError) and "--overwrite" in str(refused.exception)
    assert out.read_bytes() == before
    assert preview(*SMALL, "--seed", "1", "--out", str(out), "--overwrite").exit_code == 0
    assert out.read_bytes() != before


def test_nifti_pairs_have_the_spacing_as_affine(tmp_path):
    arguments = ["-d", "3d", "--shape", "8,16,20", "--spacing", "4,1,2", "--channels", "2", "--classes", "3"]
    assert preview(*arguments, "--samples", "2", "--nifti", str(tmp_path / "pairs")).exit_code == 0
    image = nibabel.load(tmp_path / "pairs/images/synthetic_0001_0001.nii.gz")
    label = nibabel.load(tmp_path / "pairs/labels/synthetic_0001.nii.gz")
    assert image.shape == label.shape == (20, 16, 8)  # NIfTI's axes are nnU-Net's reversed
    np.testing.assert_allclose(image.affine, np.diag([2, 1, 4, 1]))
    assert image.header.get_xyzt_units()[0] == "mm"
    assert set(np.unique(label.dataobj)) <= {0, 1, 2}


def test_explain_prints_every_prior_with_its_unit():
    shown = preview("--preset", "released", "--explain").output
    assert "noise.std" in shown and "0.05 .. 0.4 1" in shown and "0 .. 0.0625 fraction" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--classes", "4,x"], "--classes is '4,x'"),
        (["--shape", "8,8"], "shape"),
        (["--preset", "papr"], "Did you mean 'paper'"),
        (["--set", "blur.sigma"], "expected group.key=value"),
        (["--set", "blur.sigma=[0,"], "is not valid YAML"),
        (["--set", "blur.sgma=[0,1,vox]"], "Did you mean 'sigma'"),
        (["--classes", "4,100"], "classes from 2 to 64"),
    ],
)
def test_bad_input_is_refused(arguments, message, tmp_path):
    result = preview(*arguments, "--out", str(tmp_path / "sheet.png"))
    assert isinstance(result.exception, ConfigError) and message in str(result.exception)
    assert not list(tmp_path.iterdir())


def test_training_patches_beside_their_new_appearances(tmp_path, monkeypatch):
    tiny_dataset(tmp_path, monkeypatch, preprocess=("3d_fullres",))
    out = tmp_path / "cases.png"
    arguments = ["--dataset", NAME, "-c", "3d_fullres", "--samples", "1", "--out", str(out)]
    assert preview(*arguments).exit_code == 0
    assert out.read_bytes().startswith(b"\x89PNG")
    for more, message in (
        (["-f", "9"], "there is no fold 9"),
        (["--mix", "curves"], "Did you mean 'curve'"),
    ):
        refused = preview(*arguments, "--overwrite", *more)
        assert isinstance(refused.exception, ConfigError) and message in str(refused.exception)
    refused = preview("--mix", "curve")
    assert isinstance(refused.exception, ConfigError) and "needs --dataset" in str(refused.exception)
