"""The page of what a critic follows: responses to one factor at a time, shares, probes, disentanglement."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator

from gan_probe.report import evidence
from gan_probe.report.page import Page, Section, canvas
from gan_probe.report.style import CONTROL_COLOUR, CRITIC_COLOUR
from gan_probe.report.tables import Col, Table, control_of
from gan_probe.scoring.table import CRITIC_ROWS, CRITIC_SCORE, Source
from gan_probe.stats.auroc import THRESHOLD
from gan_probe.stats.variance import Share
from gan_probe.studies.factors.curve import DETECTED
from gan_probe.studies.factors.responses import ALONE, AMONG, DetectionThreshold, Response, aurocs, effect
from gan_probe.studies.factors.result import FactorsResult, single
from gan_probe.studies.separation.result import FIRST_INIT, FIRST_SCORE

N_COLUMNS = 3
FAR, LINEAR = 10, 3  # differences in sd that need a logarithmic axis, and those up to which it stays linear
SETTINGS = {ALONE: "all else fixed", AMONG: "all else differs from image to image"}


def response_curves(result: FactorsResult, setting: str) -> Figure | None:
    """Return one panel a numeric factor: the change of the score against the factor, the critic beside random ones."""
    ways: dict[str, list[Response]] = {}
    for response in result.numeric(setting):
        ways.setdefault(response.factor, []).append(response)
    if not ways:
        return None
    n_rows = math.ceil(len(ways) / N_COLUMNS)
    figure = canvas(11, 2.7 * n_rows + 0.6)
    axes = figure.subplots(n_rows, N_COLUMNS, squeeze=False).ravel()
    for axis, (factor, responses) in zip(axes, ways.items(), strict=False):
        for response in responses:
            _panel(axis, response)
        axis.axhline(0, color="black", linewidth=0.6)
        axis.axvline(responses[0].swept[0], color="black", linewidth=0.6)
        axis.set_xlabel(factor.replace("_", " "), fontsize=9)
        axis.set_ylabel("change of the score (sd)", fontsize=8)
        axis.xaxis.set_major_locator(MaxNLocator(5))
        _sd_axis(axis, "y")
        axis.tick_params(labelsize=8)
    for axis in axes[len(ways) :]:
        axis.set_axis_off()
    handles = [
        Line2D([], [], color=CRITIC_COLOUR, marker="o", markersize=3, label="critic, mean"),
        Patch(color=CRITIC_COLOUR, alpha=0.2, label="critic, one sd over base images"),
        Line2D([], [], color=CRITIC_COLOUR, linestyle="--", label=f"noticed (AUROC {DETECTED:g})"),
        Line2D([], [], color=CRITIC_COLOUR, linestyle=":", label=f"separated (AUROC {THRESHOLD:g})"),
    ]
    if result.numeric(setting)[0].random_init:
        handles.append(Line2D([], [], color=CONTROL_COLOUR, label="randomly initialised critics, means"))
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), fontsize=8, frameon=False)
    sns.despine(figure)
    return figure


def _panel(axis: Axes, response: Response) -> None:
    """Draw one way of one factor: random means, the critic's mean with its band, and where it begins to tell."""
    for other in response.random_init:
        axis.plot(response.swept, effect(other)[0], color=CONTROL_COLOUR, linewidth=1)
    mean, sd = effect(response.critic)
    axis.fill_between(response.swept, mean - sd, mean + sd, color=CRITIC_COLOUR, alpha=0.2, linewidth=0)
    axis.plot(response.swept, mean, color=CRITIC_COLOUR, marker="o", markersize=3, linewidth=1.4)
    sign = 1 if response.swept[-1] > response.swept[0] else -1
    for threshold, style in ((response.noticed, "--"), (response.separated, ":")):
        if threshold is not None and threshold.value is not None:
            place = response.swept[0] + sign * threshold.value
            axis.axvline(place, color=CRITIC_COLOUR, linestyle=style, linewidth=1)


def _sd_axis(axis: Axes, which: str) -> None:
    """Let the "x" or "y" axis be linear up to 3 sd and logarithmic beyond, where it reaches far."""
    if max(np.abs(getattr(axis, f"get_{which}lim")())) > FAR:
        getattr(axis, f"set_{which}scale")("symlog", linthresh=LINEAR)
        getattr(axis, f"{which}axis").set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def names(result: FactorsResult) -> Figure | None:
    """Return the change of the score from the first name of each factor to each other one, in both settings."""
    settings = [setting for setting in (ALONE, AMONG) if result.named(setting)]
    if not settings:
        return None
    places = {(r.factor, v): 0.0 for r in result.named(settings[0]) for v in r.swept[1:]}
    rows, place, last = list(places), 0.0, ""
    for factor, value in rows:
        place += 1.0 if factor == last else 1.7
        places[factor, value], last = place, factor
    figure = canvas(4.6 * len(settings) + 2, 0.22 * place + 1.5)
    axes = figure.subplots(1, len(settings), sharey=True, squeeze=False)[0]
    for axis, setting in zip(axes, settings, strict=True):
        for response in result.named(setting):
            where = np.array([places[response.factor, v] for v in response.swept[1:]])
            for other in response.random_init:
                axis.scatter(effect(other)[0][1:], where, s=16, color=CONTROL_COLOUR, alpha=0.8)
            mean, sd = (part[1:] for part in effect(response.critic))
            told = np.array(aurocs(response.critic)[1:]) >= DETECTED
            axis.hlines(where, mean - sd, mean + sd, color=CRITIC_COLOUR, linewidth=1.5)
            axis.scatter(
                mean, where, s=34, edgecolor=CRITIC_COLOUR, facecolor=np.where(told, CRITIC_COLOUR, "white"), zorder=3
            )
        axis.axvline(0, color="black", linewidth=0.6)
        axis.set_title(SETTINGS[setting], fontsize=9)
        axis.margins(x=0.08)
        axis.set_xlabel("change of the score (sd)", fontsize=9)
        _sd_axis(axis, "x")
        axis.tick_params(labelsize=8)
    firsts = {r.factor: r.swept[0] for r in result.named(settings[0])}
    texts = [f"{factor.replace('_', ' ')}: {firsts[factor]} to {value}" for factor, value in rows]
    axes[0].set_yticks([places[row] for row in rows], texts, fontsize=8)
    axes[0].set_ylim(place + 0.8, 0.9)
    sns.despine(figure)
    return figure


def share_bars(result: FactorsResult) -> Figure | None:
    """Return what each factor alone explains of scores and embeddings, random ones as means with their range."""
    found: dict[Source, Sequence[Share]] = {}
    for source, random_init in ((CRITIC_SCORE, FIRST_SCORE), (CRITIC_ROWS, FIRST_INIT)):
        if source in result.shares:
            found[source] = result.shares[source]
            others = result.random_init_shares(is_embedding=source.is_embedding)
            if others:
                found[random_init] = others
    return evidence.factor_shares(found) if found else None


def probes(result: FactorsResult) -> Figure | None:
    """Return how well a linear probe reads the level of each factor from the embedding, beside all controls."""
    return evidence.margin_bars(result.probes) if result.probes else None


SECTIONS: tuple[Section[FactorsResult], ...] = (
    Section(
        "alone",
        "One factor at a time, all else fixed",
        "Images of the first class, each factor at its middle, that differ in their random noise only; then one factor"
        " is changed. The change of the score is in units of its own spread over these images at the first value"
        " (vertical line), so that critics can be compared; where it grows beyond 10 the axis is linear up to 3 and"
        " logarithmic beyond. Steps below a pixel change nothing.",
        partial(response_curves, setting=ALONE),
    ),
    Section(
        "among",
        "One factor at a time, among all others",
        "The same change, made to images that differ in all other factors of the data set. The spread is larger now, so"
        " a difference must be larger to be told from the score of one image.",
        partial(response_curves, setting=AMONG),
    ),
    Section(
        "names",
        "Shapes, backgrounds, textures, kinds of noise",
        "The change of the score when the first name of a factor is replaced by another, with one standard deviation"
        " over base images. Filled: told by AUROC 0.75. Grey: randomly initialised critics.",
        names,
    ),
    Section(
        "shares",
        "What the variance follows",
        "Share of the variance between the levels of each factor alone (epsilon squared), with intervals over images;"
        " of randomly initialised critics the mean, with their range. Numbers are cut into eight levels.",
        share_bars,
    ),
    Section(
        "probes",
        "What the embedding says of each factor",
        "Five-fold linear probes that name the level of a factor, and the margin over the best control, paired by"
        " image.",
        probes,
    ),
)


def _span(threshold: DetectionThreshold) -> str:
    """Return a smallest difference with its interval, in words."""
    if threshold.value is None and threshold.ci_low is None:
        return threshold.text(None)
    return (
        f"{threshold.text(threshold.value)} ({threshold.text(threshold.ci_low)} to {threshold.text(threshold.ci_high)})"
    )


def _threshold_lines(result: FactorsResult) -> list[dict[str, str]]:
    """Return the table of smallest differences, as text."""
    lines = []
    for r in result.responses:
        if r.noticed is None or r.separated is None:
            continue
        line = {"setting": SETTINGS[r.setting], "name": r.name, "start": f"{r.swept[0]:.3g}"}
        for key, found in (("noticed", r.noticed), ("separated", r.separated)):
            line[key] = _span(found)
            each = ", ".join(found.text(v) for v in found.random_init)
            line[f"{key}_random_init"] = f"{found.text(found.random_init_median)} ({each})" if each else ""
        line["verdict"] = r.noticed.verdict
        lines.append(line)
    return lines


def _tables(result: FactorsResult) -> list[Table]:
    """Return detection thresholds, shares, probes and disentanglement."""
    note = (
        "The smallest swept difference from which on AUROC against the first value stays at 0.75 (noticed) and at 0.99"
        f" (separated), with a 95 % interval (bootstrap over {result.n_bases} base images, this critic). Of randomly"
        " initialised critics the median, and each. Finer: smaller than every randomly initialised critic's; coarser:"
        " larger."
    )
    thresholds = [
        Col(title="setting", of="setting"),
        Col(title="factor", of="name"),
        Col(title="from", of="start"),
        Col(title="noticed", of="noticed"),
        Col(title="randomly initialised", of="noticed_random_init"),
        Col(title="critic is", of="verdict"),
        Col(title="separated at", of="separated"),
        Col(title="randomly initialised", of="separated_random_init"),
    ]
    found = [
        Table(name="thresholds", heading="Detection thresholds", note=note, columns=thresholds,
              rows=_threshold_lines(result)),
    ]  # fmt: skip
    score = result.shares.get(CRITIC_SCORE, [])
    if score:
        together = [f"{s.factor} {s.unique:.3f}" for s in score if math.isnan(s.eta_squared)][:5]
        columns = [
            Col(title="factor", of="factor"),
            Col(title="share", of="epsilon_squared", form="three"),
            Col(title="95 % interval", of=("ci_low", "ci_high"), form="three"),
            Col(title="own", of="unique", form="three"),
        ]
        note = (
            "Own: what all factors explain less what all others do. Largest interactions:"
            f" {', '.join(together) or 'none'}."
        )
        heading = "Shares of the variance of the score"
        rows = [vars(s) for s in single(score)]
        found.append(Table(name="shares-table", heading=heading, note=note, columns=columns, rows=rows))
    if result.probes:
        columns = [
            Col(title="factor", of="factor"),
            Col(title="right", of="value", form="percent"),
            Col(title="95 % interval", of=("ci_low", "ci_high"), form="hundredths"),
            Col(title="largest level", of="chance", form="percent"),
            Col(title="best control", of=control_of("best_control")),
            Col(title="its share", of="control", form="percent"),
            Col(title="margin, points", of="margin", form="points"),
            Col(title="95 % interval", of=("margin_low", "margin_high"), form="points"),
            Col(
                title="over randomly initialised, points",
                of=lambda row: (row["over_random_init"] or {}).get("margin"),
                form="points",
            ),
        ]
        found.append(
            Table(name="probes-table", heading="Probes", columns=columns, rows=result.probe_rows(),
                  is_marked=lambda row: row["verdict"] == "behind")
        )  # fmt: skip
    if result.disentanglement:
        measures = {"disentanglement": "disentanglement", "completeness": "completeness",
                    "informativeness": "informativeness", "mig": "MIG"}  # fmt: skip
        columns = [
            Col(title="of", of="of"),
            *(Col(title=title, of=key, form="three") for key, title in measures.items()),
        ]
        note = (
            "DCI: each dimension says something of one factor only (disentanglement), each factor is said by one"
            " dimension only (completeness), accuracy of the forests above chance (informativeness). MIG: by how much"
            " the best dimension for a factor beats the second. 0 to 1 each."
        )
        heading = "Disentanglement of the embedding"
        rows = [{"of": name, **vars(d)} for name, d in result.disentanglement.items()]
        found.append(Table(name="disentanglement", heading=heading, note=note, columns=columns, rows=rows))
    return found


PAGE = Page[FactorsResult](
    schema="gan_probe.factors/2",
    title=lambda result: "Which factors the critic follows",
    sections=lambda result: SECTIONS,
    tables=_tables,
)
