from __future__ import annotations

import json
from pathlib import Path

import pytest

from rasd_nnu.cli.main import main
from tests.compare.conftest import summary_dict
from tests.compare.test_surface import _folder


def _run(args: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as end:
        main(["report", *args])
    captured = capsys.readouterr()
    return int(end.value.code or 0), captured.out, captured.err


def test_a_page_of_two_folders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = _folder(tmp_path, "rasd", 1.5), _folder(tmp_path, "scratch", 6.0)
    args = ["--a", str(a), "--b", str(b), "--name-a", "rasd", "--name-b", "scratch", "--out", str(tmp_path / "r.html")]
    code, out, _ = _run(args, capsys)
    assert code == 0
    assert out.startswith("Whether rasd or scratch is better cannot be shown")
    page = (tmp_path / "r.html").read_text()
    assert page.count("data:image/jpeg;base64,") >= 2  # predictions on black: there are no images
    assert "as the image is not there" in page
    assert "training curves: no training_log" in page
    code, _, err = _run(args, capsys)
    assert (code, err.count("\n")) == (2, 1)
    assert "exists; give another name" in err


def test_records_without_predictions_still_make_a_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, shift in (("a", 0.1), ("b", 0.0)):
        scores = {f"c{i}": {"1": 0.5 + shift + i / 100} for i in range(6)}
        (tmp_path / f"{name}.json").write_text(json.dumps(summary_dict(scores)))
    out = tmp_path / "r.html"
    code, *_ = _run(["--a", str(tmp_path / "a.json"), "--b", str(tmp_path / "b.json"), "--out", str(out)], capsys)
    assert code == 0
    assert "pictures of cases: the prediction of case" in out.read_text()
