"""What became of each tensor of the target network when weights were transferred."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

from rasd_nnu.errors import TransferError
from rasd_nnu.transfer.tensors import Part

Action = Literal["copied", "adapted", "left"]


@dataclass(frozen=True)
class TensorEntry:
    """One distinct tensor of the target.

    Args:
        name: Its first name in the state dict.
        part: The part of the network.
        shape: Its shape.
        action: ``copied`` as it was, ``adapted`` by a rule, or ``left`` as it was initialised.
        source: Name of the tensor in the checkpoint, or None.
        reason: The rule, or why it was left; empty for a plain copy.
    """

    name: str
    part: Part
    shape: tuple[int, ...]
    action: Action
    source: str | None = None
    reason: str = ""

    @property
    def parameters(self) -> int:
        """Number of values."""
        count = 1
        for n in self.shape:
            count *= n
        return count


@dataclass(frozen=True)
class TransferReport:
    """Per tensor and in sum, how much of a network came from a checkpoint.

    Shares are of everything but the segmentation heads, which are transferred only where they learned the same labels.

    Args:
        entries: One per distinct tensor of the target.
    """

    entries: tuple[TensorEntry, ...]

    def _body(self, part: Part | None = None) -> list[TensorEntry]:
        return [e for e in self.entries if e.part != "head" and part in (None, e.part)]

    def share_of_tensors(self, part: Part | None = None) -> float:
        """Return the share of distinct tensors transferred, of one part or (None) of all but the heads."""
        return _share((1, e.action) for e in self._body(part))

    def share_of_parameters(self, part: Part | None = None) -> float:
        """Return the share of parameters transferred, of one part or (None) of all but the heads."""
        return _share((e.parameters, e.action) for e in self._body(part))

    def require(self, share: float, part: Part | None = None) -> None:
        """Refuse a transfer that covers too little.

        Args:
            share: Least share of the parameters, 0 to 1.
            part: Count only this part; None, or a part that the network does not have, counts all but the heads.

        Raises:
            TransferError: If less was transferred; the message names the first tensor that was left and why.
        """
        if not self._body(part):
            part = None  # a network without an encoder of its own, such as a chain of blocks
        got = self.share_of_parameters(part)
        if got >= share:
            return
        left = [e for e in self._body(part) if e.action == "left"]
        raise TransferError(
            f"only {got:.1%} of the {part or 'network'}'s parameters fit (segmentation heads apart), expected at "
            f"least {share:.0%}; {len(left)} tensors were left, the first is {left[0].name!r} "
            f"{list(left[0].shape)}: {left[0].reason}. Pre-train for exactly this plan with `rasd_nnu pretrain "
            "--dataset ID -c CONFIGURATION -p PLANS`."
        )

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a person should know who compares this start with another."""
        widths = [e for e in self._body() if e.action == "adapted" and "width " in e.reason]
        if not widths:
            return ()
        return (
            f"the widths of {len(widths)} tensors were fitted, first {widths[0].name!r}: channels have no order, so "
            "that what was pre-trained is kept in part at best; pre-training this very network is better",
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON: ``shares``, ``warnings`` and one entry a tensor."""
        parts: tuple[tuple[str, Part | None], ...] = (
            ("all", None),
            ("encoder", "encoder"),
            ("decoder", "decoder"),
        )
        return {
            "shares": {
                label: {
                    "tensors": self.share_of_tensors(part),
                    "parameters": self.share_of_parameters(part),
                    "count": len(self._body(part)),
                }
                for label, part in parts
            },
            "warnings": list(self.warnings),
            "tensors": [{**asdict(e), "parameters": e.parameters} for e in self.entries],
        }

    def table(self, most: int = 20) -> str:
        """Return lines for a log: a row a part, then the tensors that were not simply copied.

        Args:
            most: List at most so many tensors; `to_dict` has them all.
        """
        rows = [
            f"{'part':<10}{'tensors':>9}{'copied':>9}{'adapted':>9}{'left':>6}{'parameters':>14}{'transferred':>13}"
        ]
        labels: tuple[Part, ...] = ("encoder", "decoder", "head")
        for part in labels:
            entries = [e for e in self.entries if e.part == part]
            count = {a: sum(e.action == a for e in entries) for a in ("copied", "adapted", "left")}
            share = _share((e.parameters, e.action) for e in entries)
            rows.append(
                f"{part:<10}{len(entries):>9}{count['copied']:>9}{count['adapted']:>9}{count['left']:>6}"
                f"{sum(e.parameters for e in entries):>14,}{share:>13.1%}"
            )
        rows += [f"  warning: {warning}" for warning in self.warnings]
        notable = [e for e in self._body() if e.action != "copied"]
        rows += [f"  {e.action:<8} {e.name} {list(e.shape)}: {e.reason}" for e in notable[:most]]
        if len(notable) > most:
            rows.append(f"  ... and {len(notable) - most} more, see transfer_report.json")
        return "\n".join(rows)


def _share(items: Iterable[tuple[int, Action]]) -> float:
    """Return the weighted share that was not left; 1 of nothing."""
    pairs = list(items)
    total = sum(weight for weight, _ in pairs)
    return sum(weight for weight, action in pairs if action != "left") / total if total else 1.0
