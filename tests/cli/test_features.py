from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from PIL import Image

from rasd_nnu.checkpoints.read import open_source
from rasd_nnu.cli.main import main
from rasd_nnu.features.images import read_case
from rasd_nnu.features.network import FeatureNetwork
from rasd_nnu.features.preprocessing import preprocessing_for
from tests.features.parts import blobs, image_of, of_nnunet, ours


def run(args: list[Any], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as end:
        main(["features", *map(str, args)])
    captured = capsys.readouterr()
    return int(end.value.code or 0), captured.out, captured.err


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Four volumes of two kinds, their labels, and a table of their kinds."""
    generator = np.random.default_rng(0)
    for part in ("images", "labels"):
        (tmp_path / part).mkdir()
    with (tmp_path / "cases.csv").open("w") as stream:
        table = csv.writer(stream)
        table.writerow(["case", "kind"])
        for i in range(4):
            clean = blobs((10, 12, 9), (i - 1, 0, 1)) * (1 if i % 2 else 4)
            noisy = clean + generator.normal(0, 0.05, clean.shape).astype(np.float32)
            for part, ending, array in (("images", "_0000", noisy), ("labels", "", (clean > 0.5).astype(np.uint8))):
                sitk.WriteImage(image_of(array, (1.0, 1.5, 1.0)), str(tmp_path / part / f"case{i}{ending}.nii.gz"))
            table.writerow([f"case{i}", "weak" if i % 2 else "strong"])
    return tmp_path


def test_pictures_numbers_and_volumes(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, b, out = ours(data / "a.pth"), of_nnunet(data / "b.pth"), data / "out"
    args = [f"ours={a}", f"nnunet={b}", "--untrained", "--images", data / "images", "--labels", data / "labels"]
    args += ["--names", "0=rest,1=blob", "--classes", f"{data / 'cases.csv'}:kind", "--out", out, "--maps", "2"]
    code, text, err = run([*args, "--export", "all", "--voxels", "20"], capsys)
    assert (code, err) == (0, ""), err
    report = json.loads((out / "run_report.json").read_text())
    assert list(report["separation"]) == ["ours", "nnunet", "untrained"]
    assert [row["kind"] for row in report["separation"]["ours"]] == ["voxels", "regions", "cases"]
    assert [row["points"] for row in report["separation"]["nnunet"]] == [160, 8, 4]
    assert "silhouette" in text and f"{report['separation']['ours'][0]['probe']:7.3f}" in text
    for picture in ("tsne.png", "maps.png"):
        assert np.asarray(Image.open(out / picture)).std() > 10
    source = open_source(a)
    expected = FeatureNetwork(source, preprocessing_for(source)).in_own_space(
        read_case(data / "images" / "case2_0000.nii.gz", 1)
    )
    found = sitk.ReadImage(str(out / "ours" / "case2.nii.gz"))
    assert np.allclose(sitk.GetArrayFromImage(found), expected, atol=1e-5)
    assert found.GetSpacing()[:3] == (1.0, 1.5, 1.0)
    assert len(list(out.rglob("*.nii.gz"))) == 12
    assert run([*args], capsys)[0] == 2


def test_components(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    args = [ours(data / "a.pth"), "--images", data / "images", "--out", data / "out", "--maps", "0", "--limit", "1"]
    code, _, err = run([*args, "--export", "pca", "--components", "2"], capsys)
    assert (code, err) == (0, ""), err
    assert sitk.ReadImage(str(data / "out" / "a" / "case0.nii.gz")).GetSize() == (9, 12, 10, 2)
    assert not list((data / "out").glob("*.png"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--maps", "0"], "nothing is asked for"),
        (["--images", "nowhere.nii.gz"], "does not exist"),
        (["--labels", "images"], "has no label map"),
        (["--classes", "cases.csv"], "expected FILE.csv:COLUMN"),
        (["--classes", "cases.csv:no"], "has no column 'no'"),
        (["--classes", "cases.csv:kind", "--limit", "1"], "in one case only"),
        (["--names", "1"], "expected LABEL=NAME"),
        (["-c", "2d"], "needs --dataset"),
        (["a.pth"], "two networks are called 'a'"),
        (["../x=a.pth"], "plain name"),
        (["two.pth"], "different numbers of channels"),
    ],
)
def test_bad_input_is_one_line(
    change: list[str],
    message: str,
    data: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(data)
    ours(data / "a.pth")
    ours(data / "two.pth", channels=2)
    code, out, err = run(["a.pth", "--images", "images", "--out", "out", *change], capsys)
    assert (code, out, err.count("\n")) == (2, "", 1) and message in err
    assert not (data / "out" / "run_report.json").exists()
