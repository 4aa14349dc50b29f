from __future__ import annotations

from pathlib import Path

import pytest

from rasd_nnu.errors import CompareError
from rasd_nnu.records import ClassificationCase, Predictions, read_predictions, write_predictions

HEAD = "case,group,fold,label,prob_no,prob_yes\n"
MULTI = "case,group,fold,label_x,prob_x,label_y,prob_y\n"


def _file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "predictions.csv"
    path.write_text(text)
    return path


def test_one_class_a_case(tmp_path: Path) -> None:
    found = read_predictions(_file(tmp_path, HEAD + "c1,p1,0,yes,0.1,0.9\nc2,p1,,no,0.6,0.4\n"))
    assert (found.classes, found.multilabel) == (("no", "yes"), False)
    assert found.cases[0].labels == {"no": 0, "yes": 1}
    assert (found.cases[0].fold, found.cases[1].fold) == (0, None)
    assert found.cases[1].probabilities["yes"] == 0.4


def test_findings_may_be_unknown(tmp_path: Path) -> None:
    found = read_predictions(_file(tmp_path, MULTI + "c1,p1,0,1,0.7,,0.2\n"))
    assert found.multilabel
    assert found.cases[0].labels == {"x": 1, "y": None}


@pytest.mark.parametrize("multilabel", [False, True])
def test_what_is_written_is_read_again(tmp_path: Path, multilabel: bool) -> None:
    labels = {"no": None, "</script>,": 1} if multilabel else {"no": 0, "</script>,": 1}
    case = ClassificationCase(
        case='a"\n', group="p", fold=None, labels=labels, probabilities={"no": 0.25, "</script>,": 0.75}
    )
    predictions = Predictions(("no", "</script>,"), multilabel, (case,))
    write_predictions(tmp_path / "p.csv", predictions)
    read = read_predictions(tmp_path / "p.csv")
    assert read.classes == predictions.classes
    assert read.cases[0].model_copy(update={"case": case.case}) == case


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no column 'case'"),
        (HEAD, "has no cases"),
        ("case,fold,label,prob_no,prob_yes\n", "has no column 'group' (found: case, fold, label, prob_no, prob_yes)"),
        ("case,group,fold,label,prob_no\n", "1 columns prob_<class>, too few"),
        ("case,group,fold,prob_x\n", "has no column 'label_x'"),
        ("case,group,fold,label,prob_a,prob_a\n", "the column 'prob_a' twice"),
        (HEAD.replace("\n", ",age\n"), "unknown column 'age'"),
        (HEAD + "c1,p1,0,maybe,0.1,0.9\n", "line 2: label is 'maybe', expected one of no, yes"),
        (HEAD + "c1,p1,0,yes,0.1,nan\n", "line 2: case 'c1' has nan as probability of 'yes'"),
        (HEAD + "c1,p1,0,yes,0.1,x\n", "line 2: prob_yes is 'x'"),
        (HEAD + "c1,p1,0,yes,0.1,1.9\n", "line 2: case 'c1' has 1.9 as probability"),
        (HEAD + "c1,p1,0,yes,0.1,0.1\n", "line 2: the probabilities of case 'c1' add up to 0.2"),
        (HEAD + "c1,p1,0,yes,0.1\n", "line 2: the number of fields"),
        (HEAD + "c1,p1,0,yes,0.1,0.9,7\n", "line 2: the number of fields"),
        (HEAD + "c1,p1,a,yes,0.1,0.9\n", "line 2: fold is 'a'"),
        (HEAD + ",p1,0,yes,0.1,0.9\n", "line 2: case"),
        (HEAD + "c1,,0,yes,0.1,0.9\n", "line 2: group"),
        (HEAD + "c1,p1,0,yes,0.1,0.9\nc1,p1,0,yes,0.1,0.9\n", "line 3: case 'c1' is there twice"),
        (MULTI + "c1,p1,0,2,0.7,,0.2\n", "line 2: label_x is '2'"),
    ],
)
def test_bad_files_are_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(CompareError) as error:
        read_predictions(_file(tmp_path, text))
    assert message in str(error.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CompareError, match="cannot read .*none.csv"):
        read_predictions(tmp_path / "none.csv")
