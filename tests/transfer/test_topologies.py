"""Every kind of checkpoint into plans that nnU-Net made from the fingerprints of eight kinds of data."""

from __future__ import annotations

import pytest

from benchmarks import topologies
from rasd_nnu.transfer import TransferReport

CASES = [(kind, k, s) for kind in topologies.KINDS for k in topologies.KINDS for s in topologies.SOURCES]


def _dims(text: str) -> int:
    return 2 if text.lower().startswith("2d") else 3


@pytest.mark.parametrize(("kind", "source_kind", "source"), CASES)
def test_fits_with_the_expected_report_or_is_refused_with_the_expected_sentence(
    kind: str, source_kind: str, source: str
) -> None:
    for row in topologies.targets(kind):
        result = topologies.outcome(kind, row, source_kind, source)
        if _dims(row.rsplit(", ")[-1]) != _dims(source):
            assert f"it is {_dims(source)}D, the plan is {5 - _dims(source)}D. Pre-train that network" in str(result)
        elif source_kind == kind:
            assert isinstance(result, TransferReport), result
            _check_report(result, kind)
        elif "swin-unetr" in (source_kind, kind):
            assert "no tensor of the one has a counterpart in the other. Choose a trainer or plans" in str(result)
        else:
            assert "of the encoder's parameters fit (segmentation heads apart), expected at least 70%" in str(result)
            assert "encoder only the stem and the first convolution of each stage correspond" in str(result)


def _check_report(report: TransferReport, kind: str) -> None:
    """Whatever is left belongs to stages that the checkpoint does not have; at least the trainer's share is carried."""
    assert report.share_of_parameters("encoder") >= 0.7
    left = [e for e in report.entries if e.action == "left" and e.part != "head"]
    assert {e.reason for e in left} <= {"nothing in the checkpoint corresponds to it"}
    assert kind != "swin-unetr" or not left


@pytest.mark.parametrize(
    ("row", "source", "cell"),
    [
        ("cardiac MR, thin, 3d_fullres", "3D isotropic", "100 / 100 ks"),
        ("hippocampus MR, 3d_fullres", "3D isotropic", "100 / 100"),
        ("brain MR, 4 channels, 3d_fullres", "3D isotropic", "100 / 100 c"),
        ("prostate MR, 2 channels, 3d_fullres", "3D isotropic", "72 / 65 cks"),
        ("prostate MR, 2 channels, 3d_fullres", "3D anisotropic", "100 / 100 cs"),
        ("1000² RGB, 2d", "2D", "80 / 77 c"),
    ],
)
def test_shares_by_hand(row: str, source: str, cell: str) -> None:
    assert topologies.cell(topologies.outcome("plain", row, "plain", source)) == cell


def test_page_is_up_to_date() -> None:
    assert topologies.PAGE.read_text(encoding="utf-8") == topologies.page(), "run python -m benchmarks.topologies"
