"""Profiles as pictures: a table of the top rows, and a flame graph turned upside down.

Drawn with matplotlib or as plain HTML, so that neither needs the internet.
"""

from __future__ import annotations

import html
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle

from lab_utils.errors import LabError
from lab_utils.measure.profile.result import Profile, Stack
from lab_utils.show import plots
from lab_utils.show.predict import number
from lab_utils.show.surface import surface

PLUMBING = ("_call_impl", "_wrapped_call_impl", "<module>", "nn.Module: ")
"""Frames that stand in every stack and say nothing; hidden unless asked for."""
MIN_SHARE = 0.004
LEVELS = 24
LEVEL_IN = 0.3
CHARACTERS = 106
"""How many letters fit into the whole width."""
REST = ("the rest", "idle")
REST_COLOUR = "#d0d0d0"


def top_table(profile: Profile, count: int = 8) -> None:
    """The rows with the largest self time: bar, self and total milliseconds, calls, memory."""
    table = _Table(profile, count)
    if surface() == "terminal":
        print(table)
    else:
        from IPython.display import display

        display(table)  # type: ignore[no-untyped-call]


class _Table:
    """As text, or as HTML with a bar for each share."""

    def __init__(self, profile: Profile, count: int) -> None:
        self._profile = profile
        self._rows = profile.top(count)

    def __repr__(self) -> str:
        return str(self._profile)

    def _repr_html_(self) -> str:
        p = self._profile
        calls = any(row.calls is not None for row in self._rows)
        memory = any(row.memory_bytes for row in self._rows)
        heads = ["", "share", "self", "with callees"]
        heads += ["calls"] * calls + ["memory"] * memory
        lines = []
        for row in self._rows:
            share = p.share(row)
            bar = (
                f'<div style="width:{max(1, round(110 * share))}px;height:0.8em;'
                f'background:{plots.BLUE}"></div>'
            )
            cells = [f"{share:.1%}".replace("%", " %"), *map(_ms, (row.self_s, row.total_s))]
            cells += [f"{row.calls:,}" if row.calls is not None else ""] * calls
            cells += [f"{(row.memory_bytes or 0) / 1e6:+.1f} MB"] * memory
            right = "".join(f'<td style="text-align:right">{cell}</td>' for cell in cells)
            name = f'<td style="text-align:left"><code>{html.escape(row.name)}</code></td>'
            lines.append(f'<tr><td style="width:112px">{bar}</td>{right}{name}</tr>')
        head = "".join(f'<th style="text-align:right">{h}</th>' for h in heads)
        return (
            f"<p><strong>{html.escape(p.tool)}</strong>: {html.escape(p.counts)}. "
            f"{_ms(p.total_s)} accounted for, {_ms(p.elapsed_s)} passed.</p>"
            f'<table><thead><tr>{head}<th style="text-align:left">name</th></tr></thead>'
            f"<tbody>{''.join(lines)}</tbody></table>"
        )


@dataclass
class _Frame:
    """A name at one depth beneath one caller, with what lies beneath itself."""

    seconds: float = 0.0
    inside: dict[str, _Frame] = field(default_factory=lambda: defaultdict(_Frame))


def flame_graph(
    profile: Profile,
    title: str,
    *,
    highlight: Sequence[str] = (),
    since: str | None = None,
    hide: Iterable[str] = PLUMBING,
    levels: int = LEVELS,
) -> None:
    """Callers above, callees beneath; the width is the share of the accounted time.

    (Drawn downwards, an "icicle"; the field's flame graphs grow upwards.) highlight: parts of
    names to stand out. since: part of a name; what called it is left out. hide: parts of names
    whose frames are skipped. levels: how deep to draw.

    Raises LabError where the profile has no stacks.
    """
    if not profile.stacks:
        raise LabError(
            f"{profile.tool} keeps no call stacks, so there is no flame graph; show its "
            "top_table, or take a profile with py-spy or PyTorch Profiler."
        )
    root = _tree(profile.stacks, since, tuple(hide))
    depth = min(levels, _depth(root, root.seconds * MIN_SHARE))
    with plots.figure(0.95 + LEVEL_IN * max(depth, 1), title) as axes:
        _draw(axes, root, 0.0, 0, depth, root.seconds, tuple(highlight))
        axes.set_xlim(0, 1)
        axes.set_ylim(max(depth, 1), 0)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.xaxis.set_major_formatter(lambda share, _: f"{100 * share:.0f} %")
        axes.set_xlabel(f"share of {plots.duration(root.seconds)}: {profile.counts}", fontsize=9.5)


def parts(
    bars: Mapping[str, Mapping[str, float]], title: str, *, xlabel: str, whole: bool = True
) -> None:
    """One bar a row, divided into the same named parts; each part's figure stands in it.

    whole: stretch every bar to 100 % of its own sum; else the axis is in the values' own unit.
    Raises LabError where a bar has nothing in it.
    """
    names = list(dict.fromkeys(name for bar in bars.values() for name in bar))
    for row, bar in bars.items():
        if not sum(bar.values()) > 0:
            raise LabError(f"The bar {row!r} holds nothing; expected parts with a sum above 0.")
    widest = 1.0 if whole else max(sum(bar.values()) for bar in bars.values())
    with plots.figure(1.75 + 0.5 * len(bars), title) as axes:
        colours = [REST_COLOUR if name in REST else plots.CYCLE[i] for i, name in enumerate(names)]
        for place, bar in enumerate(bars.values()):
            left = 0.0
            for colour, name in zip(colours, names, strict=True):
                value = bar.get(name, 0.0) / (sum(bar.values()) if whole else 1.0)
                axes.barh(place, value, left=left, height=0.62, color=colour,
                          label=name if place == 0 else None)  # fmt: skip
                if value > 0.06 * widest:
                    text = f"{100 * value:.0f} %" if whole else number(value)
                    axes.text(left + value / 2, place, text, ha="center", va="center",
                              color=_ink(colour), fontsize=9.5)  # fmt: skip
                left += value
        axes.set_yticks(range(len(bars)), list(bars))
        axes.tick_params(axis="y", length=0)
        axes.invert_yaxis()
        axes.set_xlim(0, widest)
        if whole:
            axes.xaxis.set_major_formatter(lambda share, _: f"{100 * share:.0f} %")
        axes.set_xlabel(xlabel)
        axes.figure.legend(loc="outside lower left", ncols=len(names), fontsize=9.5)


def _ink(background: str) -> str:
    """Black or white, whichever can be read on the colour."""
    red, green, blue = to_rgb(background)
    return plots.INK if 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 else "white"


def _tree(stacks: Mapping[Stack, float], since: str | None, hide: tuple[str, ...]) -> _Frame:
    root = _Frame()
    for stack, seconds in stacks.items():
        names = list(stack)
        if since is not None:
            start = next((i for i, name in enumerate(names) if since in name), None)
            if start is None:
                continue
            names = names[start:]
        frame = root
        frame.seconds += seconds
        for name in names:
            if not any(part in name for part in hide):
                frame = frame.inside[name]
                frame.seconds += seconds
    if root.seconds <= 0:
        raise LabError(f"No stack holds {since!r}; leave `since` out to draw all of them.")
    return root


def _depth(frame: _Frame, least_s: float) -> int:
    inside = [f for f in frame.inside.values() if f.seconds >= least_s]
    return max((1 + _depth(f, least_s) for f in inside), default=0)


def _draw(
    axes: Axes,
    frame: _Frame,
    left: float,
    level: int,
    levels: int,
    whole_s: float,
    highlight: tuple[str, ...],
) -> None:
    if level == levels:
        return
    for name, inside in sorted(frame.inside.items(), key=lambda item: -item[1].seconds):
        width = inside.seconds / whole_s
        if width < MIN_SHARE:
            continue
        stands_out = any(part in name for part in highlight)
        axes.add_patch(
            Rectangle(
                (left, level),
                width,
                1,
                facecolor=plots.ORANGE if stands_out else plots.SKY,
                alpha=1.0 if stands_out else 0.55,
                edgecolor="white",
                linewidth=0.8,
            )
        )
        text = _fitting(name, width)
        if text:
            axes.text(left + 0.004, level + 0.53, text, fontsize=8, va="center", ha="left",
                      color=plots.INK, clip_on=True)  # fmt: skip
        _draw(axes, inside, left, level + 1, levels, whole_s, highlight)
        left += width


def _fitting(name: str, width: float) -> str:
    """The name, without its file where that does not fit, cut short, or nothing."""
    letters = int(width * CHARACTERS)
    if len(name) <= letters:
        return name
    short = name.partition(" (")[0]
    if len(short) <= letters:
        return short
    return short[: letters - 1] + "…" if letters >= 5 else ""


def _ms(seconds: float) -> str:
    return plots.duration(seconds).replace(" ", "\N{NO-BREAK SPACE}")
