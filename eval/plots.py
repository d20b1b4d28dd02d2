"""The plots of an evaluation, as SVG. The number of a system gives it its colour and dash in all of them.

Names of systems are left to the page, which has a font for each script.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from eval.hypertext import svg
from eval.metrics import Bin, Confidence

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito, https://jfly.uni-koeln.de/color/: told apart with any colour vision; the dashes say it again.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_DASHES = ((), (5, 2), (6, 2, 1, 2), (1.5, 1.5))


def recall(curves: Mapping[int, Sequence[float]]) -> str:
    """R@k over k, by the number of the system."""
    figure, axes = _axes("first k of the ranking", "recall")
    for number, curve in curves.items():
        axes.plot(range(1, len(curve) + 1), curve, **_line(number))
    deepest = max((len(curve) for curve in curves.values()), default=1)
    axes.set_xscale("log")
    ticks = [tick for tick in (1, 2, 5, 10, 20, 50, 100) if tick <= deepest]
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.set_xticks([], minor=True)
    axes.set_ylim(top=1.02)
    return svg(figure)


def reliability(bins: Sequence[Bin]) -> str:
    """The share that is right over confidence; the area of a dot is as its number of answers."""
    figure, axes = _axes("confidence", "top passage is right")
    axes.plot([0, 1], [0, 1], color="#888", linewidth=1)
    across, up = [one.confidence for one in bins], [one.right for one in bins]
    largest = max((one.count for one in bins), default=1)
    axes.plot(across, up, color=_COLOURS[0], linewidth=1, alpha=0.5)
    axes.scatter(across, up, s=[60 * one.count / largest for one in bins], color=_COLOURS[0], zorder=3, clip_on=False)
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    return svg(figure)


def coverage(told: Mapping[int, Confidence]) -> str:
    """Error over coverage, by the number of the system; the dot is the service's own threshold."""
    figure, axes = _axes("coverage: questions answered", "error: of those, answered wrongly")
    for number, one in told.items():
        axes.plot([point.coverage for point in one.curve], [point.error for point in one.curve], **_line(number))
        if one.service:
            axes.plot([one.service.coverage], [one.service.error], marker="o", color=_line(number)["color"])
    axes.set_xlim(0, 1.02)
    axes.set_ylim(bottom=0)
    return svg(figure)


def latency(totals: Mapping[int, Sequence[float]]) -> str:
    """The share of answers that took no longer, over milliseconds in all, by the number of the system."""
    figure, axes = _axes("milliseconds", "answered within")
    for number, taken in totals.items():
        axes.plot(sorted(taken), [place / len(taken) for place in range(1, len(taken) + 1)], **_line(number))
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.xaxis.set_minor_formatter(lambda value, _: f"{value:g}" if f"{value:e}"[0] in "25" else "")
    axes.tick_params(which="minor", labelsize=8)
    axes.set_ylim(0, 1.02)
    return svg(figure)


def swatch(number: int) -> str:
    """A piece of a system's line, to stand before its name."""
    line = _line(number)
    dashes = " ".join(str(length * line["linewidth"]) for length in _DASHES[number % len(_DASHES)]) or "none"
    return (
        '<svg width="28" height="8" aria-hidden="true"><line x2="28" y1="4" y2="4" '
        f'stroke="{line["color"]}" stroke-width="{line["linewidth"]}" stroke-dasharray="{dashes}"/></svg>'
    )


def _line(number: int) -> dict[str, Any]:
    dashes = _DASHES[number % len(_DASHES)]
    return {
        "color": _COLOURS[number % len(_COLOURS)],
        "linestyle": (0, dashes) if dashes else "-",
        "linewidth": 1.5 if number else 2.2,
    }


def _axes(across: str, up: str) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.6, 2.9), layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlabel(across, fontsize=9)
    axes.set_ylabel(up, fontsize=9)
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes
