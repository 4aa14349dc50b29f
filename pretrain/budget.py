"""How many iterations fit into a budget of time: measured before a run, so that its end is known."""

from __future__ import annotations

import contextlib
import gc
import math
import time
from dataclasses import replace

import torch
from lightning_fabric import Fabric

from rasd_nnu.errors import ConfigError
from rasd_nnu.nnunet.plans import NetworkTarget
from rasd_nnu.pretrain.assemble import make_learner, make_samples
from rasd_nnu.pretrain.cases import CaseMaps
from rasd_nnu.pretrain.hardware import Hardware
from rasd_nnu.pretrain.memory import memory_advice
from rasd_nnu.pretrain.offline import OfflineSamples
from rasd_nnu.pretrain.progress import Display, duration
from rasd_nnu.pretrain.recipe import Recipe
from rasd_nnu.pretrain.synthesis import SynthesisConfig

#: Fewer iterations teach nothing.
FEWEST_ITERATIONS = 20
#: Steps before the measurement, which pay for tuning, allocation and the start of workers.
_WARM_UP = 2
_FEWEST_STEPS, _MOST_STEPS = 3, 200
#: What the measurement may take: a share of the budget, and seconds.
_SHARE, _SECONDS = 0.02, 20.0


def fit_to_budget(
    target: NetworkTarget,
    config: SynthesisConfig,
    recipe: Recipe,
    hardware: Hardware,
    fabric: Fabric,
    watcher: Display,
    offline: OfflineSamples | None = None,
    cases: CaseMaps | None = None,
) -> Recipe:
    """Measure the time of a step with a learner of its own, and set the iterations that fit into the budget.

    The measurement counts as part of the budget; what is learned in it is thrown away.

    Args:
        target: The network.
        config: What to synthesise.
        recipe: With a budget.
        hardware: Where to run.
        fabric: A launched Fabric; all processes get the same number.
        watcher: Is told the measured time, the number of iterations and the end.
        offline: Samples to read, or None for fresh ones.
        cases: Where label maps come from besides the engine, or None.

    Raises:
        ConfigError: If the budget is too small to learn anything.
    """
    assert recipe.budget is not None
    begun = time.perf_counter()
    watcher.message(f"measures the time of a step, for a budget of {duration(recipe.budget)}")
    step, steps = _step_seconds(target, config, recipe, hardware, fabric, offline, cases)
    gc.collect()  # the learner of the measurement
    if fabric.device.type == "cuda":
        torch.cuda.empty_cache()
    left = recipe.budget - (time.perf_counter() - begun)
    iterations: int = fabric.broadcast(max(0, math.floor(left / step)))
    if iterations < FEWEST_ITERATIONS:
        needed = duration(1.1 * (recipe.budget - left + FEWEST_ITERATIONS * step))
        raise ConfigError(
            f"a step takes {step:.3g} s, so that {iterations} fit into a budget of {duration(recipe.budget)}, expected "
            f"{FEWEST_ITERATIONS} at least. Raise --budget to more than {needed}, choose a smaller patch or network, "
            "or set --iterations yourself."
        )
    seconds = iterations * step
    end = time.strftime("%Y-%m-%d %H:%M", time.localtime(time.time() + seconds))
    watcher.message(
        f"length   {iterations} iterations of {step:.3g} s (mean of {steps}): {duration(seconds)}, ends about {end}"
    )
    return replace(recipe, iterations=iterations)


def _step_seconds(
    target: NetworkTarget,
    config: SynthesisConfig,
    recipe: Recipe,
    hardware: Hardware,
    fabric: Fabric,
    offline: OfflineSamples | None,
    cases: CaseMaps | None,
) -> tuple[float, int]:
    """Return the mean seconds of a step, the same in every process, and of how many."""
    assert recipe.budget is not None
    learner = make_learner(target, config, recipe, hardware, fabric, cases)
    done = 0
    with (
        contextlib.closing(make_samples(config, recipe, hardware, fabric, offline, 0, cases)) as samples,
        memory_advice(recipe, fabric.world_size),
    ):

        def seconds_of(steps: int) -> float:
            nonlocal done
            begin = time.perf_counter()
            for _ in range(steps):
                learner.step(done, *next(samples))
                done += 1
            if fabric.device.type == "cuda":
                torch.cuda.synchronize(fabric.device)
            return float(fabric.broadcast(time.perf_counter() - begin))

        # Workers have made some batches before they are asked for; these come at once.
        seconds_of(_WARM_UP + 2 * hardware.workers)
        first = seconds_of(_FEWEST_STEPS) / _FEWEST_STEPS
        steps = int(min(max(min(_SHARE * recipe.budget, _SECONDS) / first, _FEWEST_STEPS), _MOST_STEPS))
        mean = seconds_of(steps) / steps
    return mean, steps
