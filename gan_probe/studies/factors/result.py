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
from gan_probe.studies.advantage import N_NAMED, Advantage, margin_record, tally
from gan_probe.studies.base import StudyResult, plain
from gan_probe.studies.factors.disentanglement import Disentanglement
from gan_probe.studies.factors.metrics import FactorsMetrics
from gan_probe.studies.factors.responses import ALONE, AMONG, NAMES, Response
from gan_probe.studies.judgement import NO_USE, Answer, Judgement, Opening, judge, mean_difference, sources
from gan_probe.verdicts import Verdict, conclude

CRITIC = "critic"
BEST_OF_EACH = "the best control of each factor"
FOLLOWED = 0.05  # share of the variance below which a factor is not said to be followed
INTERACTING = 0.02  # share beyond all factors side by side from which two are said to interact
ASKED_FIRST = ("noise", "base", "size")
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
        One a factor: how well its level is read from the embedding, beside the best of all controls and beside
        randomly initialised critics; ``measure`` is the factor.
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
            n_probes_gained=sum(p.added is not None and p.added.verdict == "ahead" for p in self.probes),
            disentanglement=dict(vars(own)) if own else None,
            n_bases=self.n_bases,
            **self._judgement().numbers(),
        )

    def opening(self) -> Opening:
        """Return the verdict on the embedding, over all factors that were probed."""
        counted = (f"{self.provenance['images']:,} images",) if "images" in self.provenance else ()
        return Opening(judgement=self._judgement(), about=(*sources(self.provenance), *counted))

    def _judgement(self) -> Judgement:
        if not self.probes:
            says = "This page shows which factors the score follows. No factor could be probed beside its controls."
            return Judgement(answer=Answer(headline=NO_USE, says=says))
        use, added = ([d for d in found if d is not None] for found in (
            [p.over_best for p in self.probes], [p.added for p in self.probes]
        ))  # fmt: skip
        n = "one factor" if len(self.probes) == 1 else f"mean of {len(self.probes)} factors"
        beside = Advantage(use=mean_difference(use), training=mean_difference(added), control=BEST_OF_EACH)
        return judge({f"A probe on the embedding ({n})": beside})

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return ``curves``: one row for each setting, factor, value and critic."""
        return {"curves": self.curve_table()}

    def probe_rows(self) -> list[dict[str, Any]]:
        """Return one row a probed factor, beside all controls and beside randomly initialised critics alone."""
        return [_probe_row(probe) for probe in self.probes]

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


def _probe_row(probe: Margin) -> dict[str, Any]:
    record, added = margin_record(probe), probe.added
    beside = (
        None if added is None else {"margin": added.value, "margin_low": added.ci_low, "margin_high": added.ci_high}
    )
    return {
        "factor": probe.measure,
        **{name: value for name, value in record.items() if name not in ("measure", "added", "beyond")},
        "over_random_init": plain(beside) if beside else None,
        "verdict_random_init": added.verdict if added else "",
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


@dataclass(frozen=True)
class FactorsFacts:
    """What sentences are made of: lists as text, empty where there is nothing to say."""

    result: FactorsResult

    @property
    def of_score(self) -> Sequence[Share]:
        """Shares of the score."""
        return self.result.shares.get(CRITIC_SCORE, ())

    @property
    def followed(self) -> str:
        """Factors that the score follows, with their shares and those of randomly initialised critics."""
        beside = {s.factor: s for s in self.result.random_init_shares(is_embedding=False)}
        return ", ".join(
            f"{s.factor} {s.epsilon_squared:.2f} ({s.ci_low:.2f} to {s.ci_high:.2f}"
            + (f"; randomly initialised {beside[s.factor].epsilon_squared:.2f})" if beside else ")")
            for s in single(self.of_score)
            if s.epsilon_squared >= FOLLOWED and s.ci_low > 0
        )

    @property
    def ignored(self) -> str:
        """Factors whose share is not to be told from none."""
        return ", ".join(s.factor for s in single(self.of_score) if s.ci_low <= 0 <= s.ci_high)

    @property
    def interacting(self) -> str:
        """Pairs of factors that explain more together than each alone."""
        pairs = [s for s in self.of_score if math.isnan(s.eta_squared) and s.unique >= INTERACTING]
        return ", ".join(f"{s.factor} {s.unique:.2f}" for s in pairs[:3])

    @property
    def noticed_alone(self) -> str:
        """The smallest differences of noise, colour and size that are noticed with all else fixed."""
        return self._noticed(ALONE)

    @property
    def noticed_among(self) -> str:
        """The same among images that differ in all else."""
        return self._noticed(AMONG)

    def _noticed(self, setting: str) -> str:
        parts = []
        for factor in ASKED_FIRST:
            numeric = self.result.numeric(setting)
            ways = [(r, r.noticed) for r in numeric if r.factor == factor and r.noticed is not None]
            if ways:
                told = " and ".join(f"{noticed.text(noticed.value)} {r.direction}" for r, noticed in ways)
                medians = " and ".join(n.text(n.random_init_median) for _, n in ways if n.random_init)
                beside = f" (randomly initialised {medians})" if medians else ""
                parts.append(f"{factor} {told} from {ways[0][0].swept[0]:.3g}{beside}")
        return "; ".join(parts)

    @property
    def unnoticed(self) -> str:
        """The factors of which no swept difference is noticed."""
        parts = []
        for setting, how in BRIEFLY.items():
            numeric = self.result.numeric(setting)
            never = [r.name for r in numeric if r.noticed is not None and r.noticed.value is None]
            if never:
                parts.append(f"{how} {', '.join(never)}")
        return "; ".join(parts)

    @property
    def finer(self) -> str:
        """How often the critic notices less, or more, than every randomly initialised one."""
        parts = []
        for setting, how in BRIEFLY.items():
            found = [r.noticed.verdict for r in self.result.numeric(setting) if r.noticed and r.noticed.verdict]
            if found:
                finer, coarser = found.count("finer"), found.count("coarser")
                parts.append(f"{how} {finer} of {len(found)} finer and {coarser} coarser than those of each")
        return "; ".join(parts)

    @property
    def swept(self) -> bool:
        """Whether any number was swept."""
        return any(r.noticed is not None for r in self.result.responses)

    @property
    def names_told(self) -> str:
        """Which shapes, backgrounds, ... the score tells from the first, among all other differences."""
        return "; ".join(f"{r.name} {r.swept[0]} from {', '.join(r.told)}" for r in self._named if r.told)

    @property
    def names_untold(self) -> str:
        """Of which it tells no name from the first."""
        return ", no ".join(r.name for r in self._named if not r.told)

    @property
    def _named(self) -> list[Response]:
        return self.result.named(AMONG)

    @property
    def read(self) -> str:
        """Factors that the embedding says best."""
        best = sorted(self.result.probes, key=lambda p: -(p.value - p.chance))
        return ", ".join(f"{p.measure} {p.value:.0%} (largest level {p.chance:.0%})" for p in best[:N_NAMED])

    @property
    def n_probes(self) -> int:
        """Factors that were probed."""
        return len(self.result.probes)

    @property
    def has_random(self) -> bool:
        """Whether randomly initialised critics were probed."""
        return any(p.added is not None for p in self.result.probes)

    @property
    def has_controls(self) -> bool:
        """Whether anything stands beside the probes."""
        return any(p.best_control for p in self.result.probes)

    @property
    def added(self) -> str:
        """In which factors the training added, took away, or neither."""
        return tally({p.measure: p.added for p in self.result.probes})

    @property
    def useful(self) -> str:
        """In which factors the embedding is ahead of its best control, behind, or neither."""
        return tally({p.measure: p.over_best for p in self.result.probes})

    @property
    def own(self) -> Disentanglement | None:
        """Of the critic."""
        return self.result.disentanglement.get(CRITIC)

    @property
    def inits(self) -> list[Disentanglement]:
        """Of randomly initialised critics."""
        return [d for name, d in self.result.disentanglement.items() if name != CRITIC]

    @property
    def entangled(self) -> str:
        """Disentanglement and gap of randomly initialised critics, and how the critic's lie to them."""
        assert self.own is not None
        dci, mig = [d.disentanglement for d in self.inits], [d.mig for d in self.inits]
        verdicts = [_beside(self.own.disentanglement, dci), _beside(self.own.mig, mig)]
        return f"{min(dci):.2f} to {max(dci):.2f} and {min(mig):.2f} to {max(mig):.2f}: {verdicts[0]} and {verdicts[1]}"


VERDICTS: tuple[Verdict[FactorsFacts], ...] = (
    Verdict(
        name="score follows",
        when=f"a factor's share is {FOLLOWED:g} or more and its interval lies above 0",
        holds=lambda f: bool(f.followed),
        says="What the score follows, as shares of its variance: {followed}.",
    ),
    Verdict(
        name="score follows nothing",
        when="there are factors, and none is such",
        holds=lambda f: bool(f.of_score) and not f.followed,
        says=f"What the score follows, as shares of its variance: no factor reaches {FOLLOWED:g} with its interval"
        " above 0.",
    ),
    Verdict(
        name="score ignores",
        when="a factor's interval holds 0",
        holds=lambda f: bool(f.ignored),
        says="Not to be told from none: {ignored}.",
    ),
    Verdict(
        name="interactions",
        when=f"two factors explain {INTERACTING:g} or more beyond all factors side by side",
        holds=lambda f: bool(f.interacting),
        says="Together beyond each alone: {interacting}.",
    ),
    Verdict(
        name="noticed alone",
        when="noise, base or size was swept with all else fixed",
        holds=lambda f: bool(f.noticed_alone),
        says=f"The smallest difference that the score notices {HOW[ALONE]}: {{noticed_alone}}.",
    ),
    Verdict(
        name="noticed among others",
        when="one of them was swept among others",
        holds=lambda f: bool(f.noticed_among),
        says=f"The smallest difference that the score notices {HOW[AMONG]}: {{noticed_among}}.",
    ),
    Verdict(
        name="not noticed",
        when="no swept difference of a factor reaches an AUROC of 0.75",
        holds=lambda f: bool(f.unnoticed),
        says="Noticed at no swept difference: {unnoticed}.",
    ),
    Verdict(
        name="training, thresholds",
        when="randomly initialised critics were asked",
        holds=lambda f: bool(f.finer),
        says="Detection thresholds beside randomly initialised critics: {finer}. Of one more randomly initialised"
        " critic about a quarter would be finer, and a quarter coarser.",
    ),
    Verdict(
        name="training, thresholds unknown",
        when="none was",
        holds=lambda f: f.swept and not f.finer,
        says="What the training did to these thresholds cannot be known: no randomly initialised critic was asked.",
    ),
    Verdict(
        name="names told",
        when="a name of a factor reaches an AUROC of 0.75 against the first",
        holds=lambda f: bool(f.names_told),
        says=f"The score tells {HOW[AMONG]}: {{names_told}}.",
    ),
    Verdict(
        name="names not told",
        when="no name of a factor does",
        holds=lambda f: bool(f.names_untold),
        says=f"It tells, {HOW[AMONG]}, no {{names_untold}} from the first one.",
    ),
    Verdict(
        name="embedding says",
        when="factors were probed",
        holds=lambda f: f.n_probes > 0,
        says="A linear probe reads from the embedding the level of {read}.",
    ),
    Verdict(
        name="training added to the embedding",
        when="randomly initialised critics were probed; a factor is ahead or behind where its interval excludes 0",
        holds=lambda f: f.has_random,
        says="What the training added: beside randomly initialised critics the embedding is {added} factors.",
    ),
    Verdict(
        name="training of the embedding unknown",
        when="none was probed",
        holds=lambda f: f.n_probes > 0 and not f.has_random,
        says="What the training added to the embedding cannot be known: no randomly initialised critic stands beside"
        " it.",
    ),
    Verdict(
        name="embedding useful",
        when="controls were probed; a factor is ahead or behind where its interval excludes 0",
        holds=lambda f: f.has_controls,
        says="Is it useful: beside the best of all controls the embedding is {useful} factors.",
    ),
    Verdict(
        name="embedding's use unknown",
        when="none was",
        holds=lambda f: f.n_probes > 0 and not f.has_controls,
        says="Whether the embedding is useful cannot be known: no control stands beside it.",
    ),
    Verdict(
        name="disentanglement beside",
        when="factors are independent, and randomly initialised critics were asked",
        holds=lambda f: f.own is not None and bool(f.inits),
        says="Disentanglement (DCI) is {own.disentanglement:.2f}, the mutual information gap {own.mig:.2f}; of randomly"
        " initialised critics {entangled}.",
    ),
    Verdict(
        name="disentanglement alone",
        when="factors are independent, and none was asked",
        holds=lambda f: f.own is not None and not f.inits,
        says="Disentanglement (DCI) is {own.disentanglement:.2f}, the mutual information gap {own.mig:.2f}; what of it"
        " the training added cannot be known.",
    ),
)


def _sentences(result: FactorsResult) -> list[str]:
    """Return what was found, in plain words."""
    return conclude(VERDICTS, FactorsFacts(result)) or ["Nothing could be said; see the warnings."]


def _beside(value: float, others: Sequence[float]) -> str:
    return "above all of them" if value > max(others) else "below all" if value < min(others) else "within their range"
