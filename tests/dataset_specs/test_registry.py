from __future__ import annotations

from pathlib import Path

import pytest

from rasd_nnu.dataset_specs import registry
from rasd_nnu.errors import ConfigError, DatasetError


def test_specs_are_found_in_sub_folders_and_sorted_by_id() -> None:
    ids = [spec.id for spec in registry.list_specs()]
    assert 4 in ids
    assert ids == sorted(ids)


@pytest.mark.parametrize("name", ["msd04_hippocampus", "4", "Dataset004_Hippocampus"])
def test_key_id_and_dataset_name_find_the_spec(name: str) -> None:
    assert registry.get_spec(name).key == "msd04_hippocampus"


def test_unknown_task_names_the_nearest() -> None:
    with pytest.raises(DatasetError, match=r"unknown task 'msd4_hippocampos'\. Did you mean 'msd04_hippocampus'\?"):
        registry.get_spec("msd4_hippocampos")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"other.yaml": "msd04_hippocampus"}, "call the file msd04_hippocampus.yaml"),
        ({"msd04_hippocampus.yaml": "msd04_hippocampus", "copy.yaml": "copy"}, "share a key or the id 4"),
    ],
)
def test_clashing_specs_are_refused(
    files: dict[str, str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packaged = registry._yaml_files(registry.importlib.resources.files("rasd_nnu.dataset_specs"))
    text = next(file for file in packaged if file.name == "msd04_hippocampus.yaml").read_text()
    for name, key in files.items():
        (tmp_path / name).write_text(text.replace("key: msd04_hippocampus", f"key: {key}"))
    monkeypatch.setattr(registry, "_packaged", tuple)
    monkeypatch.setenv("RASD_SPECS", str(tmp_path))
    with pytest.raises(ConfigError, match=message):
        registry.list_specs()
