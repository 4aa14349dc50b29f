from __future__ import annotations

import json

from rasd_nnu.nnunet.plans import target_from_plans
from rasd_nnu.workflows.experiment.compact import add_compact
from tests.helpers import tiny_dataset


def test_compact_twin_has_the_same_topology_and_fewer_features(tmp_path, monkeypatch):
    tiny_dataset(tmp_path, monkeypatch, preprocess=())
    file = next(tmp_path.rglob("nnUNetPlans.json"))
    plans, dataset_json = json.loads(file.read_text()), json.loads((file.parent / "dataset.json").read_text())
    name = add_compact(file, dataset_json, "3d_fullres", base_features=4, batch_size=3)
    assert name == "3d_fullres_compact"
    planned = target_from_plans(plans, dataset_json, "3d_fullres")
    compact = target_from_plans(json.loads(file.read_text()), dataset_json, name)
    assert compact.patch_size == planned.patch_size and compact.batch_size == 3
    ours, theirs = compact.architecture["arch_kwargs"], planned.architecture["arch_kwargs"]
    assert ours["features_per_stage"] == [min(4 * 2**i, 320) for i in range(theirs["n_stages"])]
    assert {k: v for k, v in ours.items() if k != "features_per_stage"} == {
        k: v for k, v in theirs.items() if k != "features_per_stage"
    }
