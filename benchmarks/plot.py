"""The ratios to code by hand, drawn."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .table import Result

COLORS = {"kinto_orm": "#2a6f97", "kinto-http": "#6c757d"}
HEIGHT = 0.36


def draw(results: Sequence[Result], folder: Path) -> None:
    """`ratios.png` and `ratios.svg`: a group of bars for each work that has ratios."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt
    from matplotlib.lines import Line2D

    shown = [result for result in results if result.ratios]
    if not shown:
        return
    mpl.rcParams["svg.hashsalt"] = "kinto_orm"  # the same picture is the same file
    figure, axes = plt.subplots(figsize=(9, 1.4 + 0.72 * len(shown)), layout="constrained")
    for place, result in enumerate(shown):
        for shift, name in ((-HEIGHT / 2, "kinto_orm"), (HEIGHT / 2, "kinto-http")):
            ratio, y = result.ratios[name], place + shift
            axes.barh(y, ratio, HEIGHT, color=COLORS[name], label=name if not place else None)
            axes.text(0.015, y, f"{ratio:.2f}", va="center", fontsize=9, color="white")
        top, bottom = place - HEIGHT - 0.06, place + HEIGHT + 0.06
        axes.plot([result.limit] * 2, [top, bottom], color="#c1121f", linewidth=2)
    axes.axvline(1, color="#333333", linewidth=1, linestyle="--", zorder=0)
    labels = [f"{result.work}\n{result.goal}" for result in shown]
    axes.set_yticks(range(len(shown)), labels, fontsize=9)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.08 * max(max(*one.ratios.values(), one.limit) for one in shown))
    axes.set_xlabel("time, as a ratio to careful code by hand (less is better)")
    axes.spines[["top", "right"]].set_visible(False)
    handles, _ = axes.get_legend_handles_labels()
    handles.append(Line2D([], [], color="#c1121f", linewidth=2, label="goal of kinto_orm"))
    handles.append(Line2D([], [], color="#333333", linewidth=1, linestyle="--", label="by hand"))
    figure.legend(handles=handles, loc="outside upper center", ncols=4, frameon=False)
    for ending, metadata in (("png", None), ("svg", {"Date": None})):
        figure.savefig(folder / f"ratios.{ending}", dpi=150, metadata=metadata)
    plt.close(figure)
