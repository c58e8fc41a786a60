"""Goodput and p99 over the day, as PNG and SVG."""

from pathlib import Path
from typing import Any, Final

from benchmarks.badday.peers import OURS, TITLES
from benchmarks.badday.profile import PROFILES, Profile
from benchmarks.badday.report import Results

_COLOURS: Final = {
    OURS: "#1f77b4",
    "ours-hedge": "#4c9ed9",
    "ours-auto": "#2a5783",
    "ours-wait": "#74c2c4",
    "nginx": "#6a9f58",
    "haproxy": "#d1904a",
    "caddy": "#967bb6",
}
_SHADE: Final = "#f0e6e6"


def draw(results: Results, seconds: float, path: Path) -> bool:
    """Into ``path`` with both suffixes. False where matplotlib is missing."""
    try:
        # Here, because it is slow to import, and nothing else wants it.
        import matplotlib as mpl  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415
    except ImportError:
        return False
    mpl.use("Agg")
    # The same figures give the same file: no random ids, no date.
    mpl.rcParams.update({"svg.hashsalt": "badday", "svg.fonttype": "none"})
    from matplotlib import pyplot  # noqa: PLC0415

    shown = {name: peers for name, peers in results.items() if peers}
    if not shown:
        return True
    figure, axes = pyplot.subplots(
        len(shown), 2, figsize=(11, 2.7 * len(shown)), squeeze=False, layout="constrained"
    )
    for (good, slow), (name, peers) in zip(axes, shown.items(), strict=True):
        profile = PROFILES[name].lasting(seconds)
        for peer, found in peers.items():
            style = {
                "color": _COLOURS[peer],
                "label": TITLES[peer],
                "linewidth": 1.8 if peer == OURS else 1.1,
                "zorder": 3 if peer == OURS else 2,
            }
            shares = [_or_gap(share, 100) for share in found["good_by_second"]]
            good.plot(range(len(shares)), shares, **style)
            tails = [_or_gap(tail, 0.001) for tail in found["p99_by_second"]]
            slow.plot(range(len(tails)), tails, **style)
        _axis(good, profile, f"{profile.title}\ngood answers, % of a second's requests")
        _axis(slow, profile, "p99 of a second's good answers, s")
        slow.set_ylim(bottom=0)
        good.legend(fontsize=7, loc="best")
    figure.savefig(path.with_suffix(".png"), dpi=120)
    figure.savefig(path.with_suffix(".svg"), metadata={"Date": None})
    pyplot.close(figure)
    return True


def _or_gap(value: float | None, factor: float) -> float:
    return float("nan") if value is None else value * factor


def _axis(axis: Any, profile: Profile, title: str) -> None:
    for stretch in (profile.down, profile.slow, profile.partition, profile.brownout):
        if stretch is not None:
            axis.axvspan(stretch.begins, stretch.ends, color=_SHADE, zorder=0)
    axis.set_title(title, fontsize=8)
    axis.set_xlabel("second of the day", fontsize=7)
    axis.tick_params(labelsize=7)
    axis.spines[["top", "right"]].set_visible(False)
