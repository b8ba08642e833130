"""The probe's plots as inline SVG. matplotlib is imported here and only when there is something to draw.

The colors are stand-ins that become CSS variables, so that one drawing suits light, dark and paper.
"""

import io
import re
from typing import Any

from markupsafe import escape

from verdigris.reporting.report.view import Bins, Mark, ProbeView

# stand-in: the variable of style.css
_PAINTS = {
    "#010101": "--ink",
    "#020202": "--muted",
    "#030303": "--line",
    "#040404": "--blue",
    "#050505": "--green",
    "#060606": "--none",
    "#070707": "--bad",
    "#080808": "--page",
}
INK, MUTED, LINE, BLUE, GREEN, NONE, BAD, PAGE = _PAINTS
_WHO = {"blue": BLUE, "green": GREEN, "before": BLUE, "after": GREEN, "other": MUTED, "none": NONE}
_SHAPES = {"blue": "o", "green": "^", "before": "o", "after": "^", "other": "s", "none": "x"}
_STYLE: dict[Any, Any] = {
    "text.parse_math": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "verdigris",
    "font.size": 9.5,
    "axes.edgecolor": LINE,
    "axes.labelcolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "legend.frameon": False,
    "legend.labelcolor": INK,
}


def across(probe: ProbeView) -> str:
    """The whole watch in three panels that share the time axis: who answered, how quickly, and what was lost."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(9.6, 6.2), layout="constrained")
        rate, latency, errors = figure.subplots(3, 1, sharex=True, height_ratios=(3, 3, 1.3))
        _rates(rate, probe)
        _latencies(latency, probe.bins)
        _losses(errors, probe.bins)
        for axis in (rate, latency, errors):
            _lines(axis, probe.marks)
        errors.set_xlabel(f"seconds from {probe.zero}")
        errors.set_xlim(probe.bins.edges[0], probe.bins.edges[-1])
        _names(rate, probe.marks, probe.bins.edges[-1] - probe.bins.edges[0])
        return _finish(figure, "across", f"Users' probe over the whole run. {probe.summary}")


def near(probe: ProbeView) -> str:
    """Every request around the switch as a mark: by shape and color, who answered it and how quickly."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(9.6, 2.6), layout="constrained")
        axis = figure.subplots()
        for who, paint in _WHO.items():
            dots = [dot for dot in probe.near if dot.who == who]
            if dots:
                label = _label(probe, who)
                axis.plot(
                    [dot.at for dot in dots], [dot.milliseconds for dot in dots],
                    _SHAPES[who], color=paint, markersize=4, markeredgewidth=1.2 if who == "none" else 0, label=label,
                )  # fmt: skip
        lost = [dot for dot in probe.near if dot.lost]
        if lost:
            axis.plot(
                [dot.at for dot in lost], [dot.milliseconds for dot in lost],
                "o", color=BAD, markerfacecolor="none", markersize=9, label="lost",
            )  # fmt: skip
        _lines(axis, probe.near_marks)
        axis.set_ylim(0, max(1.0, *(dot.milliseconds for dot in probe.near)) * 1.25)
        _names(axis, probe.near_marks, 1.5)
        axis.set_xlabel(f"seconds from {probe.zero}")
        axis.set_ylabel("ms, each request")
        _legend(axis)
        told = f"Each of the {len(probe.near):,} requests around the switch, by who answered it and how quickly."
        return _finish(figure, "near", told)


def _rates(axis: Any, probe: ProbeView) -> None:
    base = [0.0] * (len(probe.bins.edges) - 1)
    for who, paint in _WHO.items():
        values = probe.bins.rates[who]
        if any(values):
            top = [low + value for low, value in zip(base, values, strict=True)]
            axis.stairs(top, probe.bins.edges, baseline=base, fill=True, color=paint, label=_label(probe, who))
            base = top
    axis.set_ylim(0, max(1.0, *base) * 1.18)
    axis.set_ylabel("requests a second")
    _legend(axis)


def _latencies(axis: Any, bins: Bins) -> None:
    middles = [(left + right) / 2 for left, right in zip(bins.edges, bins.edges[1:], strict=False)]
    series = (
        (bins.slowest, MUTED, 0.9, "-", "slowest"),
        (bins.p99, INK, 0.9, "--", "p99"),
        (bins.median, INK, 1.8, "-", "p50"),
    )
    for values, paint, width, dash, label in series:
        if all(value is None for value in values):
            continue
        line = [float("nan") if value is None else value for value in values]
        axis.plot(middles, line, color=paint, linewidth=width, linestyle=dash, label=label)
    axis.set_ylim(bottom=0)
    axis.set_ylabel("milliseconds")
    if axis.lines:
        _legend(axis)


def _losses(axis: Any, bins: Bins) -> None:
    axis.stairs(bins.lost, bins.edges, fill=True, color=BAD)
    axis.set_ylim(0, max(1, *bins.lost) * 1.1)
    axis.set_ylabel("lost")
    axis.yaxis.get_major_locator().set_params(integer=True, nbins=3)
    if not any(bins.lost):
        axis.set_title("none lost", loc="right", fontsize=8.5, color=MUTED, pad=3)


def _lines(axis: Any, marks: tuple[Mark, ...]) -> None:
    for mark in marks:
        axis.axvline(mark.at, color=INK, linewidth=0.9, linestyle=(0, (4, 3)))


def _names(axis: Any, marks: tuple[Mark, ...], span: float) -> None:
    """The steps' names over their lines; names that would cover each other share one place."""
    places: list[tuple[float, list[str]]] = []
    for mark in sorted(marks, key=lambda mark: mark.at):
        if places and mark.at - places[-1][0] < 0.06 * span:
            places[-1][1].append(mark.name)
        else:
            places.append((mark.at, [mark.name]))
    right = axis.get_xlim()[1]
    for at, names in places:
        last = right - at < 0.12 * span
        axis.annotate(
            ", ".join(names), (at, 1.0), xycoords=("data", "axes fraction"), xytext=(-3 if last else 3, -2),
            textcoords="offset points", ha="right" if last else "left", va="top", fontsize=8.5, color=INK,
            bbox={"facecolor": PAGE, "edgecolor": "none", "pad": 0.6},
        )  # fmt: skip


def _legend(axis: Any) -> None:
    axis.legend(
        loc="lower right", bbox_to_anchor=(1.0, 0.98), ncols=5, borderaxespad=0.0, handlelength=1.4, fontsize=8.5
    )


def _label(probe: ProbeView, who: str) -> str:
    """A name for the legend; letters that the plot's font may lack would be warned of, so they become ``?``."""
    name = {"other": "no identity", "none": "no answer"}.get(who) or probe.names[who]
    return name.encode("ascii", "replace").decode()


def _finish(figure: Any, name: str, told: str) -> str:
    """The figure as an ``svg`` element of the page; ``name`` keeps its ids apart from another's."""
    figure.patch.set_visible(False)
    for axis in figure.axes:
        axis.patch.set_visible(False)
        axis.tick_params(length=3, color=LINE)
    file = io.StringIO()
    figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = file.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<style type=\"text/css\">.*?</style>", "", text, flags=re.DOTALL)
    text = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font-size: \1px", text)
    for paint, variable in _PAINTS.items():
        text = text.replace(paint, f"var({variable})")
    text = re.sub(r'^<svg [^>]*?viewBox="([^"]+)"[^>]*>', r'<svg class="plot" viewBox="\1" role="img" TOLD>', text)
    text = text.replace('xlink:href="#', 'href="#')
    text = re.sub(r'( id="| href="#|url\(#)', rf"\1{name}-", text)
    return text.replace("TOLD", f'aria-label="{escape(told)}"', 1)
