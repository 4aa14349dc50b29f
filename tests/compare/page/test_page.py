from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from rasd_nnu.compare.design import Design, Unit
from rasd_nnu.compare.page import Details, Line, Pair, Picture, Pretraining, Transfer, render_page
from rasd_nnu.compare.study import Study, compare_study
from tests.compare.records import classification, detection

EVIL = "</script><img src=x onerror=alert(1)>"


def evil_study(folder: Path) -> Study:
    """Three arms on two sets with two seeds; a case, an arm and a data set try to be HTML."""
    units = []
    for name in ("first", EVIL):
        arms = {}
        for arm, quality in ((EVIL, 2.0), ("voco", 1.5), ("scratch", 1.0)):
            arms[arm] = {}
            for seed in (0, 1):
                path = folder / f"{len(name)}_{len(arm)}_{seed}.csv"
                classification(path, quality, int(10 * quality) + seed, n=24)
                path.write_text(path.read_text().replace("c000,p0", f'"{EVIL}",p0'))
                arms[arm][seed] = [path]
        units.append(Unit(Design(name), arms))
    return compare_study(units, "scratch", skipped=[EVIL])


def full_details() -> Details:
    """Something in every field."""
    picture = Picture(b"\xff\xd8\xff", "image/jpeg", f"case {EVIL}", 600, 400)
    curve = Line(EVIL, "a", [0, 1, 2], [0.9, 0.5, 0.4])
    return Details(
        note=EVIL,
        cases=[picture] * 2,
        colours=[(EVIL, "rgb(1, 2, 3)")],
        losses=[curve],
        dice=[curve],
        pretraining=[Pretraining(EVIL, EVIL, [curve], [curve], picture)],
        transfer=[Transfer(EVIL, [(EVIL, 3, 0.5)], [("left", EVIL, 2)], [EVIL])],
        paper=[(EVIL, "71.2 [65.0, 74.1]")],
        paper_note=EVIL,
        settings=[Pair(EVIL, "a" * 300, EVIL), Pair("same", "1", "1")],
        missing=[EVIL],
    )


class _Tags(HTMLParser):
    """Counts tags, and collects event handlers and addresses."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.suspicious: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name.startswith("on") or (name in ("src", "href") and not (value or "").startswith("data:")):
                self.suspicious.append(f"{tag} {name}={value}")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return evil_study(tmp_path_factory.mktemp("evil"))


def test_nothing_from_records_becomes_html(study: Study) -> None:
    page = render_page(study, {0: full_details()}, EVIL)
    parser = _Tags()
    parser.feed(page)
    assert parser.tags.count("script") == page.count("<script>") == 1
    assert parser.suspicious == []
    assert parser.tags.count("img") == 3
    assert "&lt;/script&gt;" in page


def test_the_page_needs_nothing_from_elsewhere(study: Study) -> None:
    page = render_page(study, {}, "t")
    assert not re.search(r"(?:src|href)=\"(?!data:|#)", page)
    assert "url(" not in page and "@import" not in page
    assert "prefers-color-scheme: dark" in page and "@media print" in page


def test_every_part_is_there(study: Study) -> None:
    page = render_page(study, {0: full_details()}, "t")
    for part in (
        "All comparisons",
        "Over data sets",
        "Mean ranks",
        "Not compared",
        "Does it help?",
        "Case by case",
        "Mean score of each training seed",
        "variance of the mean difference",
        "Worst and best cases",
        "Training",
        "Pre-training of",
        "Transfer to",
        "The paper's row",
        "Recipe and environment",
        "Not shown",
        "For the methods section",
    ):
        assert part in page, part
    assert page.count('<table class="cases sortable"') == 4


def test_one_comparison_is_not_folded_away(tmp_path: Path) -> None:
    files = {arm: {None: [detection(tmp_path / f"{arm}.json", 1 / q, q)]} for arm, q in (("rasd", 2), ("scratch", 1))}
    study = compare_study([Unit(Design("set"), files)], "scratch")
    page = render_page(study, {}, "t")
    assert "<details" not in page
    assert study.sentence.split("(")[0] in page
    assert page.count("<td data-v=") == 12 * 4  # one class, so no columns of labels
