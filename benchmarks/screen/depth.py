"""Which stages of the encoder does a start from the engine's fields use at all?

    RASD_DATA=... python benchmarks/screen/depth.py [--cache DIR]

Pre-trains as the arms of arms.py do (or reads what the screen has pre-trained), then sets the output of stages to zero,
as skip connection and as input of the next stage, and measures on fresh samples how many voxels are still nearest to
their own prototype. Writes benchmarks/results/screen_depth.json, which analyse.py reads. Minutes on one core.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import torch
from arms import ARMS
from network import apply, build
from recipe import Start
from start import CLASSES, FEATURES, on_fields
from tasks import TASKS, Task
from torch import Tensor, nn

from rasd_nnu.files import write_text
from rasd_nnu.pretrain.objective import PrototypeDisentangling
from rasd_nnu.pretrain.synthesis import SynthesisConfig, synthesize

RESULTS = Path(__file__).parents[1] / "results" / "screen_depth.json"
_ARMS = ("fields_whole_4000", "fields_scales_2000", "fields_cut_2000")
_SAMPLES, _SEED = 64, 12345
#: Stages that are silenced, 0 is the finest.
_SILENCED = ((), (4,), (3, 4), (2, 3, 4), (0,))


def accuracy(network: nn.Module, images: Tensor, labels: Tensor, silenced: tuple[int, ...]) -> float:
    """Return the share of voxels that are nearest to their own prototype, with the output of stages set to zero."""
    hooks = [
        network.encoder.stages[stage].register_forward_hook(lambda _m, _i, output: torch.zeros_like(output))
        for stage in silenced
    ]
    objective = PrototypeDisentangling(normalize=True)
    with torch.no_grad():
        found = objective(apply(network, images)[0], labels, CLASSES).accuracy
    for hook in hooks:
        hook.remove()
    return float(found)


def measure(task: Task, start: Start, cache: Path) -> dict[str, float]:
    """Return accuracy by the stages that are silenced."""
    network = build(task, FEATURES, 0)
    network.load_state_dict(on_fields(task, start, 0, cache))
    config = SynthesisConfig.preset(
        shape=task.patch, classes=CLASSES, channels=task.channels, normalization=["ZScoreNormalization"]
    )
    images, labels = synthesize(config, _SEED, range(_SAMPLES))
    return {
        ",".join(map(str, silenced)) or "none": round(accuracy(network, images, labels, silenced), 3)
        for silenced in _SILENCED
    }


def main() -> None:
    """Measure from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "rasd_screen")
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    found = {}
    for name in _ARMS:
        start = ARMS[name].start
        assert start is not None
        found[name] = measure(TASKS["camus_us"], start, arguments.cache)
        print(name, found[name], flush=True)
    write_text(arguments.out, json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
