"""What the fraud service does while one of its parts is broken.

Two regions on this machine, payers who wait 50 ms and ask the other region when theirs refuses; one
fault after the other, by Chaos Toolkit (`serve/fraud/chaos`). The payments come at LOAD of what one
gateway answers at most (`gateway.saturation_rps`, measured just before): both regions, their stores
and the payers share this machine's cores, and one region has to do for two while the other is
broken. The log lies on this machine's disk, but for the full disk, which is a small one in memory;
without root that fault is left out.

- `answered_in_deadline`: the share of the payments that were answered within 50 ms of being due,
  from a fault's beginning until its mending began, over all faults; `answered_in_deadline_NAME` of
  one. (Mending is told beside it and not counted: a gateway that starts again takes the cores of
  those that answer here, and would not on a machine of its own.)

  Each has Wilson's interval: of n payments, all in time, its lower end is n ÷ (n + 3.84), so 0.9999
  is shown by 38,400. Three repeats have that many of each fault. One that misses is told with its
  cause. Where its payer itself began late the machine stood still, and how many missed while the
  host had taken cores away is told as well (`machine/stolen`); all of them count.

- `lost_or_doubled`: answers that a payer got and the audit log has not, or not so, and payments
  that stand in it more than once.

- `chaos_rps`: payments a second, from each fault's beginning until its mending began.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from lab_utils.bench._document import Figure, say
from lab_utils.bench.fraud.gateway import alone, saturation_rps
from lab_utils.components import chaos_toolkit
from lab_utils.components.small_disk import SmallDisk
from lab_utils.machine.stolen import Stolen
from lab_utils.measure.interval import interval, plain, share
from lab_utils.scale import at
from lab_utils.serve.fraud.chaos.campaign import NAMES, Hypothesis, Outcome, books, campaign
from lab_utils.serve.fraud.chaos.stage import Stage, prepared
from lab_utils.serve.fraud.chaos.system import FraudSystem

LOAD = 0.12
"""Two regions, their Envoys and the payers share the cores, one of which the gateway had alone."""
SATURATED = 6_000
"""Payments, by which the saturation is measured."""
STOLEN_S = 0.03
"""So much of a core taken away, and a payment of 50 ms may miss for it alone."""
WINDOW_S = 2.0
ON_A_SMALL_DISK = ("full_disk",)
HYPOTHESIS = Hypothesis(in_time=0.9, flagged=1.0)
"""Only a system that is well is broken; what it decides is not what is measured here."""


def measure(scale: str, repeats: int) -> dict[str, Figure]:
    """The figures, of `repeats` runs together."""
    say("Predicted: answered_in_deadline 0.9999 for each fault, lost_or_doubled 0.")
    payments = at(scale, ci=13_000, laptop=26_000)
    chaos_toolkit.prepare()
    outcomes: list[Outcome] = []
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="chaos-bench-") as name:
        stage = prepared(Path(name))
        with alone(stage.world, Path(name)) as gateway:
            most_rps = saturation_rps(gateway, stage.world.bodies(), SATURATED)
        rate_rps = LOAD * most_rps
        say(f"{rate_rps:.0f} payments a second, {LOAD:.0%} of what one gateway answers at most")
        for repeat in range(repeats):
            for small_disk in (False, True):
                names = [n for n in NAMES if (n in ON_A_SMALL_DISK) == small_disk]
                if small_disk and not SmallDisk.possible():
                    say(f"Left out, since only root may mount a small disk: {', '.join(names)}.")
                    continue
                folder = Path(name) / f"{repeat}-{small_disk}"
                folder.mkdir()
                more, bad = _run(stage, folder, names, rate_rps, payments, small_disk)
                outcomes += more
                wrong += bad
    figures: dict[str, Figure] = {"answered_in_deadline": _share(outcomes)}
    for name in dict.fromkeys(one.name for one in outcomes):
        of_one = [one for one in outcomes if one.name == name]
        figures[f"answered_in_deadline_{name}"] = _share(of_one)
    came = interval([one.in_time.n / one.broken_s for one in outcomes])
    return figures | {"lost_or_doubled": float(wrong), "chaos_rps": came}


def _run(
    stage: Stage,
    folder: Path,
    names: Sequence[str],
    rate_rps: float,
    payments: int,
    small_disk: bool,
) -> tuple[list[Outcome], int]:
    hold_s = payments / rate_rps
    system = FraudSystem(stage, folder, rate_rps=rate_rps, small_disk=small_disk)
    with system, system.watched(WINDOW_S) as prometheus, Stolen() as stolen:
        found = campaign(
            system,
            prometheus,
            names,
            HYPOTHESIS,
            window_s=WINDOW_S,
            hold_s=hold_s,
            watch=partial(_told, about_s=hold_s),
        )
        payers = system.payers
        assert payers is not None
        audit = books(payers.paid, system.audit)
    for one in found:
        causes = ", ".join(f"{count} × {cause}" for cause, count in one.causes.items())
        through = payers.between(one.journal.begun_s, one.journal.ended_s)
        missed_s = [paid.due_s for paid in through if paid.answer is None]
        if host := sum(stolen.near_s(moment_s) >= STOLEN_S for moment_s in missed_s):
            causes += f"; {host} of {len(missed_s)} while the host had taken a core"
        say(
            f"{one.name}: {plain(100 * one.in_time.median)} % of {one.in_time.n} while broken, "
            f"{plain(100 * one.through.median)} % of {one.through.n} until mended "
            f"({causes or 'none lost'})"
        )
    return found, audit.lost + audit.doubled


def _told(names: Sequence[str], about_s: float) -> Iterator[str]:
    for name in names:
        say(f"{name} begins, for about {about_s:.0f} s")
        yield name


def _share(outcomes: Sequence[Outcome]) -> Figure:
    counts = [one.in_time for one in outcomes]
    answered = sum(round(one.median * one.n) for one in counts)
    return share(answered, sum(one.n for one in counts))
