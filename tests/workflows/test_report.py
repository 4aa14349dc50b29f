from __future__ import annotations

import pytest

from rasd_nnu.workflows.report import _pretraining_sentence

RUN = {"iterations": 300, "samples_different": 600, "seconds": 12.4}
SEEN = {"dataset": "Dataset004_Hippocampus", "fold": 0, "cases": {"a": {}, "b": {}}}


def test_synthetic_images_only() -> None:
    sentence = _pretraining_sentence(RUN)
    assert sentence.startswith("Synthetic images and their label maps, made on the fly: 300 iterations")
    assert sentence.endswith("in 12 s. No real image was seen.")


@pytest.mark.parametrize(("maps", "said"), [("cases", ", in random"), ("mixed", ", and synthetic ones, in random")])
def test_maps_of_cases_are_named_and_no_claim_is_made_of_unseen_images(maps: str, said: str) -> None:
    sentence = _pretraining_sentence({**RUN, "maps": maps, "seen": SEEN})
    assert sentence.startswith(f"Label maps of 2 training cases of fold 0 of Dataset004_Hippocampus{said} appearance")
    assert "No real image" not in sentence
