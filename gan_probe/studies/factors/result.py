"""What a critic's score and embedding follow: shares, probes, disentanglement and responses together, in words."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from gan_probe.scoring.table import CRITIC_SCORE, Source
from gan_probe.stats.beside import RANDOM_INIT
from gan_probe.stats.margin import Margin
from gan_probe.stats.variance import Share
from gan_probe.studies.base import StudyResult, plain
from gan_probe.studies.factors.disentanglement import Disentanglement
from gan_probe.studies.factors.metrics import FactorsMetrics
from gan_probe.studies.factors.responses import ALONE, AMONG, NAMES, Response

CRITIC = "critic"
FOLLOWED = 0.05  # share of the variance below which a factor is not said to be followed
INTERACTING = 0.02  # share beyond all factors side by side from which two are said to interact
ASKED_FIRST = ("noise", "base", "size")
N_NAMED = 6  # names in one finding
HOW = {
    ALONE: "with all else fixed (images of one class that differ in their random noise only)",
    AMONG: "among images that differ in all other factors",
}
BRIEFLY = {ALONE: "with all else fixed", AMONG: "among others"}


@dataclass(frozen=True, kw_only=True)
class FactorsResult(StudyResult):
    """What a critic follows, beside randomly initialised critics.

    Attributes
    ----------
    shares : dict of Source to list of Share
        By what is explained: scores and embeddings of the critic and of randomly initialised ones.
    probes : list of Margin
        One a factor: how well its level is read from the embedding, beside the best of all controls; ``measure`` is
        the factor.
    gains : list of Margin
        The same beside randomly initialised critics alone: what the training added.
    disentanglement : dict of str to Disentanglement
        "critic", "random_init.0", ...; empty where it has no meaning.
    responses : list of Response
    n_bases : int
        Base images of each sweep.
    provenance : dict
    warnings : list of str
    """

    study: ClassVar = "factors"

    shares: Mapping[Source, list[Share]]
    probes: Sequence[Margin]
    gains: Sequence[Margin]
    disentanglement: Mapping[str, Disentanglement]
    responses: Sequence[Response]
    n_bases: int
    provenance: dict[str, Any]
    warnings: list[str]

    def random_init_shares(self, *, is_embedding: bool) -> list[Share]:
        """Return means over randomly initialised critics, the interval being their range; empty without them.

        Parameters
        ----------
        is_embedding : bool
            Of embeddings, or of scores.
        """
        every = [found for s, found in self.shares.items() if (s.is_embedding, s.of) == (is_embedding, RANDOM_INIT)]
        if not every:
            return []
        seeds = [{s.factor: s for s in found} for found in every]
        return [_mean_share(name, [seed[name] for seed in seeds]) for name in seeds[0]]

    def numeric(self, setting: str) -> list[Response]:
        """Return the responses to numbers in one setting."""
        return [r for r in self.responses if r.setting == setting and r.direction != NAMES]

    def named(self, setting: str) -> list[Response]:
        """Return the responses to names in one setting."""
        return [r for r in self.responses if r.setting == setting and r.direction == NAMES]

    def curve_table(self) -> pd.DataFrame:
        """Return ``curves.csv``: one row for each setting, factor, value and critic."""
        return pd.concat([r.rows() for r in self.responses], ignore_index=True)

    def threshold_rows(self) -> list[dict[str, Any]]:
        """Return one row for each number that was swept in one direction: the smallest differences that are told."""
        rows = []
        for response in self.responses:
            if response.noticed is None or response.separated is None:
                continue
            row: dict[str, Any] = {
                "factor": response.factor,
                "setting": response.setting,
                "direction": response.direction,
                "from": response.swept[0],
                "largest": response.noticed.largest,
            }
            for name, found in (("noticed", response.noticed), ("separated", response.separated)):
                row[name] = found.value
                row[f"{name}_ci_low"], row[f"{name}_ci_high"] = found.ci_low, found.ci_high
                row[f"{name}_random_init"] = list(found.random_init)
                row[f"{name}_random_init_median"] = found.random_init_median
                row[f"{name}_verdict"] = found.verdict
            rows.append(row)
        return rows

    def findings(self) -> list[str]:
        """Return what was found, in plain words."""
        return _sentences(self)

    def metrics(self) -> FactorsMetrics:
        """Return the numbers that the command prints; a smallest difference is None where no swept one is told."""
        own = self.disentanglement.get(CRITIC)
        return FactorsMetrics(
            shares={s.factor: s.epsilon_squared for s in single(self.shares.get(CRITIC_SCORE, []))},
            noticed={
                setting: {r.name: r.noticed.value for r in self.numeric(setting) if r.noticed is not None}
                for setting in (ALONE, AMONG)
            },
            n_probes=len(self.probes),
            n_probes_ahead=sum(p.verdict == "ahead" for p in self.probes),
            n_probes_gained=sum(p.verdict == "ahead" for p in self.gains),
            disentanglement=dict(vars(own)) if own else None,
            n_bases=self.n_bases,
        )

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return ``curves``: one row for each setting, factor, value and critic."""
        return {"curves": self.curve_table()}

    def probe_rows(self) -> list[dict[str, Any]]:
        """Return one row a probed factor, beside all controls and beside randomly initialised critics alone."""
        gains = {g.measure: g for g in self.gains}
        return [_probe_row(probe, gains.get(probe.measure)) for probe in self.probes]

    def record(self) -> dict[str, Any]:
        """Return every number of the page."""
        return {
            "headline": dataclasses.asdict(self.metrics()),
            "shares": {
                source.column: [plain(dataclasses.asdict(s)) for s in found] for source, found in self.shares.items()
            },
            "probes": self.probe_rows(),
            "disentanglement": {name: plain(vars(d)) for name, d in self.disentanglement.items()},
            "thresholds": [plain(row) for row in self.threshold_rows()],
            "curves": [plain(row) for row in self.curve_table().to_dict("records")],
        }


def _probe_row(probe: Margin, gain: Margin | None) -> dict[str, Any]:
    beside = {"margin": gain.margin, "margin_low": gain.margin_low, "margin_high": gain.margin_high} if gain else None
    fields = {k: v for k, v in vars(probe).items() if k not in ("measure", "controls")}
    return {
        "factor": probe.measure,
        **plain(fields),
        "verdict": probe.verdict if probe.best_control else "",
        "controls": plain(probe.controls),
        "over_random_init": plain(beside) if beside else None,
        "verdict_random_init": gain.verdict if gain else "",
    }


def single(shares: Sequence[Share]) -> list[Share]:
    """Return the shares of factors alone, without the interactions."""
    return [s for s in shares if not math.isnan(s.eta_squared)]


def _mean_share(factor: str, shares: Sequence[Share]) -> Share:
    alone = [s.epsilon_squared for s in shares]
    return Share(
        factor,
        float(np.mean([s.eta_squared for s in shares])),
        float(np.mean(alone)),
        min(alone),
        max(alone),
        float(np.mean([s.unique for s in shares])),
    )


def _sentences(result: FactorsResult) -> list[str]:
    """Return what was found, in plain words."""
    lines = [
        *_shares(result),
        *_thresholds(result),
        *_unnoticed(result),
        *_beside_random_init(result),
        *_names(result),
        *_probes(result),
        *_disentangled(result),
    ]
    return lines or ["Nothing could be said; see the warnings."]


def _shares(result: FactorsResult) -> list[str]:
    """Return which factors the score follows, which it ignores, and which two work together."""
    found = result.shares.get(CRITIC_SCORE, [])
    if not found:
        return []
    random_init = {s.factor: s for s in result.random_init_shares(is_embedding=False)}
    followed = [s for s in single(found) if s.epsilon_squared >= FOLLOWED and s.ci_low > 0]
    ignored = [s.factor for s in single(found) if s.ci_low <= 0 <= s.ci_high]
    parts = [
        f"{s.factor} {s.epsilon_squared:.2f} ({s.ci_low:.2f} to {s.ci_high:.2f}"
        + (f"; randomly initialised {random_init[s.factor].epsilon_squared:.2f})" if random_init else ")")
        for s in followed
    ]
    what = ", ".join(parts) or f"no factor reaches {FOLLOWED:g}"
    lines = [f"What the score follows, as shares of its variance: {what}."]
    if ignored:
        lines[0] += f" Not to be told from none: {', '.join(ignored)}."
    pairs = [s for s in found if math.isnan(s.eta_squared) and s.unique >= INTERACTING]
    if pairs:
        listed = ", ".join(f"{s.factor} {s.unique:.2f}" for s in pairs[:3])
        lines.append(f"Together beyond each alone: {listed}.")
    return lines


def _thresholds(result: FactorsResult) -> list[str]:
    """Return the smallest differences of noise, colour and size that are noticed, in each setting."""
    lines = []
    for setting, how in HOW.items():
        parts = []
        for factor in ASKED_FIRST:
            ways = [(r, r.noticed) for r in result.numeric(setting) if r.factor == factor and r.noticed is not None]
            if ways:
                told = " and ".join(f"{noticed.text(noticed.value)} {r.direction}" for r, noticed in ways)
                medians = " and ".join(n.text(n.random_init_median) for _, n in ways if n.random_init)
                beside = f" (randomly initialised {medians})" if medians else ""
                parts.append(f"{factor} {told} from {ways[0][0].swept[0]:.3g}{beside}")
        if parts:
            lines.append(f"The smallest difference that the score notices {how}: {'; '.join(parts)}.")
    return lines


def _unnoticed(result: FactorsResult) -> list[str]:
    """Return the factors of which no swept difference is noticed."""
    parts = []
    for setting, how in BRIEFLY.items():
        never = [r.name for r in result.numeric(setting) if r.noticed is not None and r.noticed.value is None]
        if never:
            parts.append(f"{how} {', '.join(never)}")
    return [f"Noticed at no swept difference: {'; '.join(parts)}."] if parts else []


def _beside_random_init(result: FactorsResult) -> list[str]:
    """Return how often the critic notices less, or more, than every randomly initialised one."""
    parts = []
    for setting, how in BRIEFLY.items():
        verdicts = [r.noticed.verdict for r in result.numeric(setting) if r.noticed is not None and r.noticed.verdict]
        if verdicts:
            finer, coarser = verdicts.count("finer"), verdicts.count("coarser")
            parts.append(f"{how} {finer} of {len(verdicts)} finer and {coarser} coarser than those of each")
    if not parts:
        return []
    return [
        f"Detection thresholds beside randomly initialised critics: {'; '.join(parts)}. Of one more randomly"
        " initialised critic about a quarter would be finer, and a quarter coarser."
    ]


def _names(result: FactorsResult) -> list[str]:
    """Return which shapes, backgrounds, ... the score tells from the first, among all other differences."""
    told = [f"{r.name} {r.swept[0]} from {', '.join(r.told)}" for r in result.named(AMONG) if r.told]
    rest = [r.name for r in result.named(AMONG) if not r.told]
    if not told and not rest:
        return []
    text = f"The score tells {HOW[AMONG]}: {'; '.join(told) or 'no name from another'}."
    return [text + (f" It tells no {', no '.join(rest)} from the first one." if told and rest else "")]


def _probes(result: FactorsResult) -> list[str]:
    """Return which factors the embedding says, and which it says better, or worse, than its controls."""
    if not result.probes:
        return []
    best = sorted(result.probes, key=lambda p: -(p.value - p.chance))
    listed = ", ".join(f"{p.measure} {p.value:.0%} (chance {p.chance:.0%})" for p in best[:N_NAMED])
    lines = [f"A linear probe reads from the embedding the level of {listed}."]
    for what, probes in (("randomly initialised critics", result.gains), ("the best of all controls", result.probes)):
        if any(p.best_control for p in probes):
            ahead, behind = ([p.measure for p in probes if p.verdict == v] for v in ("ahead", "behind"))
            rest = len(probes) - len(ahead) - len(behind)
            lines.append(
                f"Beside {what} the embedding is ahead in {_listed(ahead)}; behind in {_listed(behind)}; not to be told"
                f" apart in {rest} of {len(probes)} factors."
            )
    return lines


def _disentangled(result: FactorsResult) -> list[str]:
    """Return whether single dimensions follow single factors more than in every randomly initialised critic."""
    own = result.disentanglement.get(CRITIC)
    if own is None:
        return []
    text = f"Disentanglement (DCI) is {own.disentanglement:.2f}, the mutual information gap {own.mig:.2f}"
    others = [d for name, d in result.disentanglement.items() if name != CRITIC]
    if not others:
        return [text + "."]
    dci, mig = [d.disentanglement for d in others], [d.mig for d in others]
    verdicts = [_beside(own.disentanglement, dci), _beside(own.mig, mig)]
    return [
        f"{text}; of randomly initialised critics {min(dci):.2f} to {max(dci):.2f} and {min(mig):.2f} to"
        f" {max(mig):.2f}: {verdicts[0]} and {verdicts[1]}."
    ]


def _beside(value: float, others: Sequence[float]) -> str:
    return "above all of them" if value > max(others) else "below all" if value < min(others) else "within their range"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - N_NAMED} more" if len(names) > N_NAMED else ""
    return ", ".join(names[:N_NAMED]) + more or "none"
