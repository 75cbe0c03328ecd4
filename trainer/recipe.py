"""The numbers of a night, each with its reason. Tests pass a small recipe, people's settings come by the job.

What was measured for them is in docs/experiments.md; a number that is changed is measured again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Cleaning:
    """From raw lessons to a training part and an exam (trainer.dataset)."""

    same: float = 0.97
    """A repeated copy is one lesson; a form letter with another name and number in it is a lesson of its own."""
    alike: float = 0.90
    """Texts so alike must not stand on both sides of the exam."""
    exam_share: float = 0.06
    """Small, because what the exam holds is not learnt: with ten lessons a category an eighth costs three points, and
    of dated mail the newest teaches most. The folds judge the rest."""
    least_exam: int = 24
    most_exam: int = 200
    few: int = 5
    """So few lessons can't teach a category; they are used, and the report says so."""
    most_lessons: int = 12_000
    name_weight: float = 3.0
    """What a category is called counts as so many of its lessons."""
    most_repeats: float = 4.0
    """A mail that came many times counts as at most so many lessons."""
    folds: int = 5
    learnt_share: float = 0.4
    """Of lessons with dates: the oldest, which no fold judges."""


@dataclass(frozen=True)
class Kind:
    """One way to fit the linear model, and scikit-learn's C for it."""

    name: Literal["logistic", "svm"]
    strength: float


@dataclass(frozen=True)
class Linear:
    """The linear candidate (trainer.candidates.tfidf) and its terms."""

    kinds: tuple[Kind, ...] = (Kind("logistic", 10.0), Kind("svm", 0.3), Kind("svm", 2.0))
    """Of which the one serves that validates best."""
    most_columns: int = 2500
    """More make the rotation itself the slowest part of the night: then every n-th text spans the columns. With 1,629
    real mails and a limit of 1,500 only half of them did, which cost two points on later mail."""
    much_work: float = 1e8
    """Texts times columns times categories. Above, one fit takes so long that only the first kind is tried, above
    fifteen times as much only on the newest folds."""
    smoothing: float = 0.01
    """A share of a term's texts that every category gets for nothing: a term of one or two texts is no proof."""
    least: float = 0.2
    """How much a term that all categories hold alike still counts, before squaring, beside 1 for the most telling."""
    columns_at_once: int = 20_000
    """Bounds the memory: hundreds of categories times a million terms don't fit at once."""


@dataclass(frozen=True)
class Pooled:
    """The language candidate's start: the lower layers of the base, their mean in a pooling layer, a head."""

    depth: int = 6
    """The base's lowest layers that are kept below the pooling layer."""
    strengths: tuple[float, ...] = (3.0, 10.0, 30.0)
    """How close the head follows the lessons; scikit-learn's C for features of length one."""
    most_kept: int = 15_000
    """Bounds the cache of readings: so many of a model 576 wide are 70 MB."""
    tokens_a_batch: int = 512
    """What a batch makes of itself on its way has to stay in a core's cache: with 4,096 a mail took a quarter more
    time, and short questions, of which a batch held two hundred, nearly twice as much."""
    dominance: float = 4.0
    """The pooled part's length, in multiples of what stood at the last position before."""
    shrinkage: float = 0.3
    """How much of an equal spread in all directions is mixed into what was measured: few lessons measure it badly."""
    silence: float = 12.0
    """Far below any code's score: no other token may crowd the codes out of a server's top list."""


@dataclass(frozen=True)
class Questions:
    """A model that reads deeper, for short questions (trainer.candidates.questions), tuned by likeness."""

    depth: int = 16
    """Layers below the pooling layer."""
    lowest: int = 10
    """The lowest of those that are tuned."""
    strength: float = 10.0
    """How close its head follows the lessons; any of the start's strengths is as good here."""
    clearly: float = 1.0
    """The start is kept where its loss is lower by so many standard errors."""
    most_weights: int = 150_000_000
    """Of the model that serves: SmolLM2 135M has 88 million. A larger base takes too long to tune in a night."""
    rights: tuple[float, float] = (0.1, 1 / 3)
    """Of what was wrong before, such a share it righted on eight sets of questions (docs/experiments.md): from 7 to 49
    %, and but for one draw of the smallest no more than a third."""
    worth: float = 0.5
    """Points. Less is not worth an installation."""
    short: int = 32
    """Tokens of the prompt in the middle: 18 to 23 in the sets of questions that gained, 41 and 45 in two that did
    not."""
    rank: int = 16
    tokens: int = 100_000
    """Through the tuned layers in one night: some two minutes on two office cores for two layers of a 135M model. The
    newest lessons come first, and no more of them than this."""
    categories: int = 24
    """Of one step, at most; and so many prompts, evenly of all of them."""
    prompts: int = 48
    temperature: float = 0.1
    rate: float = 1e-3
    hidden: float = 0.1
    """Tokens of every prompt that a step doesn't see, so that no single word carries a category."""
    longest: int = 64
    """The most tokens of a prompt that a step sees."""


@dataclass(frozen=True)
class Evidence:
    """From answers to lessons not learnt from: shares, a temperature, and what is more than luck (calibrate.py)."""

    coldest: float = 0.05
    hottest: float = 20.0
    shares: tuple[float, ...] = tuple(step / 10 for step in range(1, 10))
    """The language model's in a blend."""
    even: float = 0.6
    """The share that was best or near it on every set."""
    timid: float = 5.0
    """How much of "no change at all" is mixed into every temperature: as if so many lessons had been answered
    honestly."""
    doubt: float = 0.002
    """One imagined mistake for so many lessons: no model is as sure as its luck on a small exam suggests."""
    beyond_luck: float = 1.64
    """A gain in its own standard errors: so much is luck once in twenty times."""
    folds: int = 5
    """Of the answers, to tell what a temperature is worth on others."""
    neighbours: tuple[float, ...] = (0.0, 0.2, 0.4, 0.6, 0.8)
    """What the most similar lessons may count beside the trained model."""
    clearly_better: float = 0.01
    """Of all held-out lessons: so many more must the language model have right than the blend to serve alone."""


@dataclass(frozen=True)
class Hints:
    """What threads and near copies are worth (trainer.hint_trials)."""

    most: int = 2000
    """Of the newest lessons are asked: what people did long ago says little of today's folders."""
    of_a_thread: int = 20
    """As many of its newest lessons speak for a thread as in service."""


@dataclass(frozen=True)
class Certainty:
    """How the sureness of answers is fitted (trainer.certainty)."""

    strength: float = 0.3
    """How close it follows the answers; 0.05 to 1 file the same within luck."""
    outside: float = 1.0
    """Percent of the answers at each end whose signs count as those at the bound."""
    least: int = 20
    """So many right and so many wrong answers it needs. With fewer the probability is all that is known."""
    constant: float = 1e-6
    """A sign that varies less tells nothing."""


@dataclass(frozen=True)
class Gate:
    """May the candidate replace the model in use (trainer.gate)?"""

    clearly: float = 0.1
    """A difference that luck produces more often is no reason to keep yesterday's model."""
    least_of_a_category: int = 4
    """Fewer lessons of a category can't prove that it got worse, unless it lost nearly everything."""
    most_frozen: int = 100
    frozen_share: float = 0.05
    """Of all lessons, those that stay in the exam for good."""


@dataclass(frozen=True)
class Rounding:
    """Channels are made alike before int8 (trainer.export.smoothing)."""

    strength: float = 0.85
    """How much of the difference between channels the weights take over; 0.5 in the paper, for weights that are harder
    to round than ours: each row of a weight has its own scale."""
    most_prompts: int = 64
    """That show how large the channels grow, in even steps."""
    tiny: float = 1e-5


@dataclass(frozen=True)
class Answer:
    """`tuning = "answer"`: LoRA on the whole base, where the answer stands (trainer.answer)."""

    rank: int = 16
    alpha: int = 16
    rate: float = 2e-3
    epochs: int = 4
    tuned_share: float = 0.4
    """The upper layers that get LoRA; the others are frozen and computed once."""
    smoothing: float = 0.0
    patience: int = 2
    """Epochs without a better validation loss after which it ends."""
    checkpoint_s: float = 60.0
    """Between two checkpoints. A kill costs at most so much work."""

    def lowest(self, layers: int) -> int:
        """The first layer that is tuned."""
        return layers - max(1, round(self.tuned_share * layers))


@dataclass(frozen=True)
class Recipe:
    """All of one night."""

    cleaning: Cleaning = field(default_factory=Cleaning)
    linear: Linear = field(default_factory=Linear)
    pooled: Pooled = field(default_factory=Pooled)
    questions: Questions = field(default_factory=Questions)
    evidence: Evidence = field(default_factory=Evidence)
    hints: Hints = field(default_factory=Hints)
    certainty: Certainty = field(default_factory=Certainty)
    gate: Gate = field(default_factory=Gate)
    rounding: Rounding = field(default_factory=Rounding)
    answer: Answer = field(default_factory=Answer)
    reserved_s: float = 25.0
    """What fitting, export and exam need at the end; reading and tuning stop in time for it."""
