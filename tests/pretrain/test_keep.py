from __future__ import annotations

from pathlib import Path

import pytest

from rasd_nnu.checkpoints.file import load_checkpoint
from rasd_nnu.errors import ConfigError
from rasd_nnu.pretrain.keep import Keep
from tests.pretrain.loop_parts import start, stop_at, tiny_recipe


def kept(folder: Path) -> list[int]:
    return sorted(int(path.name.split(".iter")[1].split(".")[0]) for path in folder.glob("a.iter*.pth"))


@pytest.mark.parametrize(
    ("keep", "save_every", "expected"),
    [
        (Keep(), 2, []),
        (Keep(every=3), 100, [3, 6, 9]),
        (Keep(last=2), 2, [8, 10]),
        (Keep(every=4, last=1), 2, [4, 8, 10]),
    ],
)
def test_kept_checkpoints(tmp_path: Path, keep: Keep, save_every: int, expected: list[int]) -> None:
    start(tmp_path / "a.pth", recipe=tiny_recipe(iterations=10), keep=keep, save_every=save_every)
    assert kept(tmp_path) == expected
    for iteration in expected:
        meta = load_checkpoint(tmp_path / f"a.iter{iteration:07d}.pth")["rasd"]
        assert (meta["iterations"], meta["finished"]) == (iteration, iteration == 10)


def test_resumed_run_goes_on_tidying_and_touches_nothing_else(tmp_path: Path) -> None:
    other = tmp_path / "b.iter0000001.pth"
    other.write_text("")
    options = {"recipe": tiny_recipe(iterations=10), "keep": Keep(last=1), "save_every": 2}
    start(tmp_path / "a.pth", display=stop_at(4), **options)
    start(tmp_path / "a.pth", resume=True, **options)
    assert kept(tmp_path) == [10]
    assert other.exists()


@pytest.mark.parametrize("name", ["every", "last"])
def test_numbers_are_checked(name: str) -> None:
    with pytest.raises(ConfigError, match=f"keep_{name} is 0, expected at least 1"):
        Keep(**{name: 0})
