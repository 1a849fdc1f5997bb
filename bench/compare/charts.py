# SPDX-FileCopyrightText: The VMMC authors
# SPDX-License-Identifier: BSD-3-Clause
"""SVG charts with Matplotlib, where it is installed. One colour for each peer, one marker for each of its variants."""

import importlib.util
import io
import math

from figures import MEASURES

# Okabe and Ito's colours, which all readers can tell apart; their yellow is too pale on white: grey stands in.
COLOURS = {
    "vmmc": "#D55E00", "floor": "#000000", "relay": "#000000", "kernel": "#999999", "ucx": "#0072B2",
    "libfabric": "#56B4E9", "openmpi": "#009E73", "mpich": "#E69F00", "iceoryx": "#CC79A7",
}
OTHER_COLOUR = "#666666"
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">")
DASHES = ("-", "--", ":", "-.")


def available():
    return importlib.util.find_spec("matplotlib") is not None


def pyplot():
    import matplotlib
    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.fonttype": "none", "font.family": ["DejaVu Sans"], "font.size": 15, "axes.grid": True,
                                "grid.color": "#dddddd", "axes.axisbelow": True, "legend.fontsize": 12})
    from matplotlib import pyplot as found
    return found


def styles(results):
    """{contestant: how its line looks}"""
    found, count = {}, {}
    for name in results.names:
        peer = results.peer_of[name]
        colour = COLOURS.get(peer, OTHER_COLOUR)
        index = count[colour] = count.get(colour, -1) + 1
        ours = peer == "vmmc"
        found[name] = {"color": colour, "marker": MARKERS[index % len(MARKERS)],
                       "linestyle": DASHES[index % len(DASHES)], "linewidth": 4 if ours else 2,
                       "markersize": 10 if ours else 7, "zorder": 5 if ours else 3}
    return found


def svg_of(plot, figure, name):
    """The picture as an element for a page; ids differ between pictures."""
    plot.rcParams["svg.hashsalt"] = name
    target = io.StringIO()
    figure.savefig(target, format="svg", bbox_inches="tight", metadata={"Date": None, "Title": name})
    plot.close(figure)
    text = target.getvalue()
    return text[text.index("<svg"):]


def matplotlib_ticker():
    from matplotlib import ticker
    return ticker


def plain(value, _=None):
    return f"{value:g}"


def lines(results, cases, x_of, scale, title, x_label, y_label, x_name):
    """One line for each contestant over sizes or processes, both axes logarithmic. The range over the rounds is a bar."""
    plot = pyplot()
    figure, axes = plot.subplots(figsize=(14, 7.5))
    look, drawn, ticks = styles(results), 0, set()
    for name in results.names:
        points = [(x_of(case), results.values(name, case).values()) for case in cases]
        points = [(x, sorted(values), results.median(name, case)) for (x, values), case in zip(points, cases) if values]
        if not points:
            continue
        low = [(median - values[0]) / scale for _, values, median in points]
        high = [(values[-1] - median) / scale for _, values, median in points]
        axes.errorbar([x for x, _, _ in points], [median / scale for _, _, median in points], yerr=[low, high], label=name,
                      elinewidth=1, capsize=3, **look[name])
        ticks |= {x for x, _, _ in points}
        drawn += 1
    if not drawn:
        plot.close(figure)
        return None
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xticks(sorted(ticks), [x_name(x) for x in sorted(ticks)])
    axes.minorticks_off()
    axes.yaxis.set_major_locator(matplotlib_ticker().LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(plain)
    axes.set(xlabel=x_label, ylabel=y_label, title=title)
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
    return svg_of(plot, figure, title)


def bars(results, case, scale, title, label):
    """A bar for each contestant, the best on top; the range over the rounds is a line on it."""
    plot = pyplot()
    found = [(results.median(name, case), name) for name in results.names]
    found = sorted(((median, name) for median, name in found if median is not None), reverse=not MEASURES[case.measure][2])
    if not found:
        return None
    figure, axes = plot.subplots(figsize=(14, 1.6 + 0.42 * len(found)))
    medians = [median / scale for median, _ in found]
    spread = [results.values(name, case).values() for _, name in found]
    errors = [[median - min(values) / scale for median, values in zip(medians, spread)],
              [max(values) / scale - median for median, values in zip(medians, spread)]]
    colours = [COLOURS.get(results.peer_of[name], OTHER_COLOUR) for _, name in found]
    edges = ["#000000" if results.peer_of[name] == "vmmc" else "none" for _, name in found]
    axes.barh([name for _, name in found], medians, xerr=errors, color=colours, edgecolor=edges, linewidth=2,
              error_kw={"capsize": 3, "ecolor": "#444444"})
    positive = [value for value in medians if value > 0]
    if case.measure != "idle" and positive and max(positive) / min(positive) > 20:
        axes.set_xscale("log")
        axes.set_xlim(left=10 ** math.floor(math.log10(min(positive))))
    axes.xaxis.set_major_formatter(plain)
    axes.invert_yaxis()
    axes.set(xlabel=label, title=title)
    return svg_of(plot, figure, title)
