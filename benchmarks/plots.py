"""The plots: throughput and latency against the number of callers."""

from __future__ import annotations

from pathlib import Path
from statistics import median

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.load import Run
from benchmarks.suite import CALLERS, FILES, TASKS, THREADS, Samples

_FAMILIES = {"tasks": TASKS, "threads": THREADS, "sqlite": FILES}
_PANELS = {"rate": "calls/s", "p50": "p50, ms", "p99": "p99, ms"}


def plot(samples: Samples, folder: Path) -> None:
    """Write a figure for each operation and family of contenders."""
    folder.mkdir(exist_ok=True)
    mpl.rcParams["svg.hashsalt"] = "theater_sql"  # the same names in every file that is written
    for operation in ("put", "get"):
        for family, contenders in _FAMILIES.items():
            figure = Figure(figsize=(11, 3.6), layout="constrained")
            for axes, name in zip(figure.subplots(1, len(_PANELS)), _PANELS, strict=True):
                _panel(axes, samples, operation, contenders, name)
            figure.suptitle(f"{operation}, {family}")
            axes.legend(fontsize="small")
            figure.savefig(folder / f"{operation}_{family}.svg", metadata={"Date": None})


def _panel(
    axes: Axes, samples: Samples, operation: str, contenders: tuple[str, ...], name: str
) -> None:
    unit = 1 if name == "rate" else 1e-3
    for contender in contenders:
        found = {n: samples.get(Run(contender, operation, n)) for n in CALLERS}
        points = [
            (n, median(getattr(sample, name) for sample in measured) * unit)
            for n, measured in found.items()
            if measured
        ]
        width = 2.5 if contender.startswith("theater_sql") else 1.2
        axes.loglog(*zip(*points, strict=True), marker="o", linewidth=width, label=contender)
    axes.set_xticks(CALLERS, [str(n) for n in CALLERS], minor=False)
    axes.set_xticks([], minor=True)
    axes.set_xlabel("callers")
    axes.set_title(_PANELS[name])
    axes.grid(visible=True, alpha=0.3)
