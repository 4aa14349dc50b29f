from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from rasd_nnu.pretrain.history import COLUMNS
from rasd_nnu.pretrain.progress import Bar, Lines, Status, console_display
from tests.pretrain.loop_parts import start, stop_at, tiny_recipe

LOSSES = {"separation": 1.25, "clustering": 2.5, "accuracy": 0.5}


def status(done: int) -> Status:
    return Status(done, 7200, LOSSES, rate=1.0)


def test_status_tells_both_losses_accuracy_rate_and_time_left() -> None:
    expected = "separation 1.2500  clustering 2.5000  accuracy 0.500  1 it/s  1:59:50 left"
    assert str(status(10)) == expected


def test_lines_are_rare_but_the_first_and_the_last_are_there() -> None:
    text = io.StringIO()
    display = console_display(Console(file=text, width=40))
    assert isinstance(display, Lines)
    for done in (1, 2, 3, 7200):
        display.update(status(done))
    lines = text.getvalue().splitlines()
    assert [line.split()[1] for line in lines] == ["1/7200", "7200/7200"]


def test_bar_on_a_terminal_and_messages_as_they_are() -> None:
    text = io.StringIO()
    display = console_display(Console(file=text, width=160, force_terminal=True))
    assert isinstance(display, Bar)
    display.update(status(10))
    display.message("saved [0, 1]")
    display.close()
    assert "10/7200" in text.getvalue()
    assert "accuracy 0.500" in text.getvalue()
    assert "saved [0, 1]" in text.getvalue()


def test_tensorboard_has_every_curve_once_and_examples(tmp_path: Path) -> None:
    out, recipe = tmp_path / "a.pth", tiny_recipe(iterations=8)
    start(out, recipe=tiny_recipe(iterations=8, seed=4))
    start(out, recipe=recipe, overwrite=True, display=stop_at(3))
    start(out, recipe=recipe, resume=True)
    events = EventAccumulator(str(tmp_path / "a.tensorboard"))
    events.Reload()
    tags = events.Tags()
    assert {*COLUMNS, "learning_rate", "samples_per_second", "synthesis_share"} <= set(tags["scalars"])
    assert [event.step for event in events.Scalars("total")] == list(range(1, 9))
    assert set(tags["images"]) == {"example_0", "example_1"}
