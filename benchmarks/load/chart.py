"""Bars of medians, as PNG and SVG."""

from pathlib import Path
from typing import Final

from benchmarks.load.bench import Results
from benchmarks.load.peer import DIRECT, OURS, OURS_LOGGED
from benchmarks.load.report import median, title
from benchmarks.load.scenario import SCENARIOS

_OURS: Final = "#1f77b4"
_OTHERS: Final = "#b8c4cc"
_ACROSS: Final = 3


def draw(results: Results, path: Path) -> bool:
    """Into ``path`` with both suffixes. False where matplotlib is missing."""
    try:
        # Here, because it is slow to import, and nothing else wants it.
        import matplotlib as mpl  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415
    except ImportError:
        return False
    mpl.use("Agg")
    # The same figures give the same file: no random ids, no date.
    mpl.rcParams.update({"svg.hashsalt": "bench", "svg.fonttype": "none"})
    from matplotlib import pyplot  # noqa: PLC0415

    shown = [SCENARIOS[name] for name, runs in results.items() if runs]
    if not shown:
        return True
    across = min(_ACROSS, len(shown))
    down = -(-len(shown) // across)
    figure, axes = pyplot.subplots(
        down, across, figsize=(4.6 * across, 2.6 * down), squeeze=False, layout="constrained"
    )
    for axis, scenario in zip(axes.flat, shown, strict=False):
        runs, column = results[scenario.name], scenario.columns[0]
        names = [name for name in runs if name != DIRECT]
        pairs = [(name, value) for name in names if (value := median(runs, name, column.key))]
        bars = axis.barh(
            [title(name) for name, _ in pairs],
            [value for _, value in pairs],
            color=[_OURS if name in {OURS, OURS_LOGGED} else _OTHERS for name, _ in pairs],
        )
        axis.bar_label(bars, fmt=f"{{:,.{column.digits}f}}", padding=2, fontsize=7)
        axis.margins(x=0.2)
        axis.invert_yaxis()
        axis.tick_params(labelsize=7)
        axis.spines[["top", "right"]].set_visible(False)
        better = "less" if column.less else "more"
        axis.set_title(scenario.title, fontsize=8)
        axis.set_xlabel(f"{column.title} ({better} is better)", fontsize=7)
    for axis in list(axes.flat)[len(shown) :]:
        axis.set_visible(False)
    figure.savefig(path.with_suffix(".png"), dpi=120)
    figure.savefig(path.with_suffix(".svg"), metadata={"Date": None})
    pyplot.close(figure)
    return True
