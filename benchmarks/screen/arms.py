"""The arms of the screen."""

from __future__ import annotations

from recipe import Arm, RegionsConfig, RenewConfig, Start

_LATE = {"share": 0.5, "begin": 0.3, "end": 0.85, "falling": True}
_EARLY = {"share": 0.5, "begin": 0.0, "end": 0.85, "falling": True}
_ALWAYS = {"share": 0.5, "begin": 0.0, "end": 1.0, "falling": False}
_FIRST = {"share": 1.0, "begin": 0.0, "end": 0.6, "falling": True}
_ALIKE = {"alike": 1.0}
_BLIND = RegionsConfig(merge=1.0)
_HALF = RegionsConfig(merge=0.5, divide=0.3)

ARMS = {
    arm.name: arm
    for arm in (
        Arm("scratch"),
        *(
            Arm(f"{kind}_{when}", mix=RenewConfig(kind=kind, **schedule))
            for kind in ("curve", "convolution", "shift", "random")
            for when, schedule in (("late", _LATE), ("early", _EARLY), ("always", _ALWAYS))
        ),
        Arm("shift_both_always", mix=RenewConfig(kind="shift", alike=0.5, **_ALWAYS)),
        *(
            Arm(f"{kind}_quarter", mix=RenewConfig(kind=kind, **{**_ALWAYS, "share": 0.25}))
            for kind in ("curve", "shift")
        ),
        Arm("shift_first", mix=RenewConfig(kind="shift", **_FIRST)),
        Arm("random_first", mix=RenewConfig(kind="random", **_FIRST)),
        Arm("shift_mild_late", mix=RenewConfig(kind="shift", **_LATE, spread=(0.0, 0.4), contrast=(0.8, 1.2))),
        Arm("shift_mild_always", mix=RenewConfig(kind="shift", **_ALWAYS, spread=(0.0, 0.4), contrast=(0.8, 1.2))),
        Arm("shift_alike_late", mix=RenewConfig(kind="shift", **_LATE, **_ALIKE)),
        Arm("shift_blind_late", mix=RenewConfig(kind="shift", **_LATE, regions=_BLIND)),
        Arm("shift_half_late", mix=RenewConfig(kind="shift", **_LATE, regions=_HALF)),
        Arm("random_alike_late", mix=RenewConfig(kind="random", **_LATE, **_ALIKE)),
        Arm("random_blind_late", mix=RenewConfig(kind="random", **_LATE, regions=_BLIND)),
        Arm("random_half_late", mix=RenewConfig(kind="random", **_LATE, regions=_HALF)),
        Arm("random_blend_late", mix=RenewConfig(kind="random", **_LATE, blend=(0.0, 1.0))),
        Arm("cases_300_shift_late", mix=RenewConfig(kind="shift", **_LATE), start=Start("cases", 300)),
        Arm("cases_300_curve_late", mix=RenewConfig(kind="curve", **_LATE), start=Start("cases", 300)),
        Arm("warp", warp=0.5),
        Arm("shift_warp_always", mix=RenewConfig(kind="shift", **_ALWAYS), warp=0.5),
        *(
            Arm(f"{maps}_{part}_{steps}", start=Start(maps, steps, part))
            for maps in ("fields", "cases")
            for part in ("whole", "encoder")
            for steps in (300, 600, 1200)
        ),
        *(
            Arm(f"fields_{part}_4000", start=Start("fields", 4000, part, shared=True))
            for part in ("whole", "encoder", "shallow")
        ),
        Arm("fields_scales_2000", start=Start("fields", 2000, scales=True, shared=True)),
        Arm("fields_cut_2000", start=Start("fields", 2000, scales=True, cut=0.5, shared=True)),
        Arm("fields_half_4000", start=Start("fields", 4000, weight=0.5, shared=True)),
    )
}
