"""The page in headless Chromium: no messages on the console, sorting and filtering work, nothing overflows."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from rasd_nnu.compare.page import render_page
from tests.compare.page.test_page import evil_study, full_details

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
WIDTHS = (400, 1400)
ROOT = Path(__file__).parents[3]
#: Runs in the page that frames it: opens everything, sorts, filters and measures, and leaves the result in the DOM.
PROBE = """
const results = {};
const frames = [...document.querySelectorAll("iframe")];
function probe(frame) {
  const page = frame.contentDocument, width = frame.clientWidth;
  page.querySelectorAll("details").forEach((d) => { d.open = true; });
  const table = page.querySelector("table.sortable"), heads = [...table.tHead.rows[0].cells];
  const column = (i) => [...table.tBodies[0].rows].filter((r) => !r.hidden).map((r) => r.cells[i].dataset.v);
  const number = heads.findIndex((h) => h.textContent === "A");
  const click = (i) => heads[i].firstElementChild.click();
  click(number); const up = column(number).map(Number);
  click(number); const down = column(number).map(Number);
  click(0); const names = column(0);
  const input = page.querySelector("input.filter");
  input.value = "C01"; input.dispatchEvent(new Event("input"));
  const filtered = column(0), count = page.querySelector(".count").textContent;
  const inside = (e) => e.closest(".scroll") || e.closest("svg") !== null;
  const wide = [...page.body.querySelectorAll("*")].filter((e) => !inside(e.parentElement) &&
    e.getBoundingClientRect().right > width + 1).map((e) => e.tagName + "." + e.className);
  const clash = (a, b) => a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 2 && b.top < a.bottom - 2;
  const hidden = [...page.querySelectorAll("svg")].flatMap((svg) => {
    const frame = svg.getBoundingClientRect();
    const boxes = [...svg.querySelectorAll("text")].map((t) => [t.getBoundingClientRect(), t.textContent]);
    const outside = (box) => box.left < frame.left - 1 || box.right > frame.right + 1 || box.bottom > frame.bottom + 1;
    const cut = boxes.filter(([box]) => outside(box));
    const over = (a, x, others) => others.filter(([b]) => clash(a, b)).map(([, y]) => `${x} | ${y}`);
    const pairs = boxes.flatMap(([a, x], i) => over(a, x, boxes.slice(i + 1)));
    return [...cut.map(([, x]) => x), ...pairs];
  });
  results[width] = { hidden, up, down, names, filtered, count, wide, scroll: page.documentElement.scrollWidth,
    text: page.querySelectorAll("svg text").length };
}
addEventListener("load", () => {
  frames.forEach(probe);
  document.getElementById("result").textContent = JSON.stringify(results);
});
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], str]:
    """What the probe measured at each width, and what Chromium wrote to the console."""
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed (apt-get install chromium)")
    folder = tmp_path_factory.mktemp("browser")
    page = render_page(
        evil_study(folder), {0: full_details()}, "A title " + ("that is very long and has_no_place_to_break") * 4
    )
    frames = "".join(f'<iframe width="{w}" height="900" srcdoc="{html.escape(page)}"></iframe>' for w in WIDTHS)
    harness = folder / "harness.html"
    harness.write_text(f'<!doctype html><body><pre id="result"></pre>{frames}<script>{PROBE}</script>')
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--dump-dom"]
    done = subprocess.run(
        [*command, f"--user-data-dir={folder / 'profile'}", harness.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    result = re.search(r'<pre id="result">(.*?)</pre>', done.stdout, re.S)
    assert result and result[1], done.stderr[-2000:]
    messages = "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)
    return json.loads(html.unescape(result[1])), messages


def test_the_console_is_silent(found: tuple[dict[str, Any], str]) -> None:
    assert found[1] == ""


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_overflows(found: tuple[dict[str, Any], str], width: int) -> None:
    measured = found[0][str(width)]
    assert measured["wide"] == []
    assert measured["hidden"] == []  # words of a chart that are cut, or lie on each other
    assert measured["scroll"] <= width
    assert measured["text"] > 50


@pytest.mark.parametrize("width", WIDTHS)
def test_sorting_and_filtering(found: tuple[dict[str, Any], str], width: int) -> None:
    measured = found[0][str(width)]
    assert len(measured["up"]) == 24
    assert measured["up"] == sorted(measured["up"]) != measured["down"]
    assert measured["down"] == sorted(measured["up"], reverse=True)
    plain = [name for name in measured["names"] if re.fullmatch(r"c\d+", name)]
    assert plain == sorted(plain) and len(plain) == 23
    assert measured["filtered"] == [f"c{i:03d}" for i in range(10, 20)]
    assert measured["count"] == "10 of 24 cases"


def test_it_prints_without_empty_halves(tmp_path: Path) -> None:
    """The example has two arms, four pictures and four tables; with a section a page it took eleven pages."""
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed (apt-get install chromium)")
    page, pdf = ROOT / "docs/examples/report.html", tmp_path / "report.pdf"
    profile = f"--user-data-dir={tmp_path / 'profile'}"
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", profile, f"--print-to-pdf={pdf}", page.as_uri()]
    subprocess.run(command, capture_output=True, timeout=120, check=True)
    assert 1 <= len(re.findall(rb"/Type\s*/Page\b", pdf.read_bytes())) <= 6


def test_the_example_is_of_todays_page() -> None:
    page = (ROOT / "docs/examples/report.html").read_text(encoding="utf-8")
    for part in ("page.css", "page.js"):
        assert (ROOT / "rasd_nnu/compare/page" / part).read_text(encoding="utf-8").strip() in page
