"""How far from 5 % the primary tests are in small designs, as simulated (docs/evidence/calibration.md)."""

from __future__ import annotations

#: Seeds -> patients -> smallest and largest share of simulated comparisons of equal arms that are rejected at 5 %, in
#: percent, over the spreads of seeds and patients of benchmarks/calibration.py.
REJECTED: dict[int, dict[int, tuple[float, float]]] = {
    2: {6: (0.20, 1.95), 12: (0.25, 2.80), 30: (0.40, 3.95), 100: (0.55, 5.35)},
    3: {6: (2.50, 5.85), 12: (3.05, 4.85), 30: (3.05, 5.00), 100: (3.60, 5.75)},
    5: {6: (4.15, 6.90), 12: (2.85, 6.55), 30: (3.65, 5.95), 100: (4.30, 5.40)},
    8: {6: (3.75, 8.30), 12: (4.00, 7.45), 30: (3.80, 6.15), 100: (4.15, 5.25)},
}
#: The largest share that `mean_test` rejects with 6 units, over the first seven distributions of the same page.
REJECTED_SKEWED_6 = 16.9
_CALIBRATED = (3.0, 7.0)  # coverage of 93 to 97 %


def calibration_note(n_seeds: int, n_patients: int) -> str:
    """Say how often the crossed test of such a design rejects equal arms; empty where that is close to 5 %.

    Args:
        n_seeds: Seeds; the largest simulated number that is not larger stands for them.
        n_patients: Patients; likewise, and the smallest one for fewer.
    """
    seeds = max(s for s in REJECTED if s <= n_seeds)
    patients = max((n for n in REJECTED[seeds] if n <= n_patients), default=min(REJECTED[seeds]))
    low, high = REJECTED[seeds][patients]
    if low >= _CALIBRATED[0] and high <= _CALIBRATED[1]:
        return ""
    design = f"{seeds} seeds, {patients} units"
    return (
        f"such small designs are not calibrated: in simulations of equal arms with {design}, this test at 5 % rejected "
        f"{low:.1f} to {high:.1f} %, by how far seeds and patients vary"
    )
