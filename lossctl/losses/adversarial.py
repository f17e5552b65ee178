"""Losses of generative adversarial training; target 1 is a real row, 0 a generated one, pred is D(x)."""

from __future__ import annotations

from lossctl.core.batch import Batch, flag, log_other_prob, log_prob
from lossctl.core.domain import Array
from lossctl.core.loss import combine
from lossctl.core.reading import MASKED, TWO_RATIOS
from lossctl.losses.forms import ADVERSARIAL
from lossctl.losses.observed import expected

FORM = (ADVERSARIAL,)
SOURCE = "Goodfellow et al. 2014, arXiv:1406.2661"


def real(batch: Batch) -> Array:
    """1 for a real row."""
    return flag(batch)


def generated(batch: Batch) -> Array:
    """1 for a generated row."""
    return 1.0 - flag(batch)


def real_cost(batch: Batch) -> Array:
    """-ln D(x) on real rows, 0 on others."""
    return -expected(real(batch), log_prob(batch))


def generated_cost(batch: Batch) -> Array:
    """-ln(1 - D(x)) on generated rows, 0 on others."""
    return -expected(generated(batch), log_other_prob(batch))


def _discriminator_row(batch: Batch) -> Array:
    return real_cost(batch) + generated_cost(batch)


def _discriminator_gradient(batch: Batch) -> Array:
    return expected(generated(batch), 1.0 / (1.0 - batch.pred)) - expected(real(batch), 1.0 / batch.pred)


gan_discriminator = combine(
    "gan_discriminator",
    parts=(real_cost, real, generated_cost, generated),
    row=_discriminator_row,
    gradient=_discriminator_gradient,
    forms=FORM,
    reading=TWO_RATIOS,
    ranks=False,
    best=None,
    summary="Discriminator loss of a GAN: the negated min-max value.",
    doc="At the optimum D = 1/2 it is ln 4 = 1.386. A row costs -ln D if real and -ln(1 - D) if generated;\n"
    "the two kinds are averaged apart, so their shares do not matter. Undefined without rows of both kinds.",
    formula="-[mean over real of ln D(x) + mean over generated of ln(1 - D(x))]",
    unit="nats",
    source=SOURCE,
    use="To watch the discriminator: it should rightly call real rows real and generated rows generated.",
    avoid="Ranking models: a low value may mean a weak generator. It gets no best mark.",
    peers={
        "torch": "BCELoss on real rows plus BCELoss on generated rows: same; many tutorials take half of it",
    },
)


def generator_cost(batch: Batch) -> Array:
    """ln(1 - D(x)) on generated rows, 0 on others."""
    return -generated_cost(batch)


def _generator_gradient(batch: Batch) -> Array:
    return -expected(generated(batch), 1.0 / (1.0 - batch.pred))


gan_generator = combine(
    "gan_generator",
    parts=(generator_cost, generated),
    row=generator_cost,
    gradient=_generator_gradient,
    forms=FORM,
    reading=MASKED,
    ranks=False,
    best=None,
    summary="Generator loss of a GAN, the saturating min-max form.",
    doc="Never positive; -ln 2 where D = 1/2. Real rows do not count: their row value is 0.",
    formula="mean over generated of ln(1 - D(x))",
    unit="nats",
    source=SOURCE,
    use="To report the min-max game as it is written.",
    avoid="Training: it saturates, its slope vanishes while the discriminator wins (gan_generator_nonsaturating).",
    peers={"torch": "-BCELoss(D, 0) on generated rows: same"},
)


def nonsaturating_cost(batch: Batch) -> Array:
    """-ln D(x) on generated rows, 0 on others."""
    return -expected(generated(batch), log_prob(batch))


def _nonsaturating_gradient(batch: Batch) -> Array:
    return -expected(generated(batch), 1.0 / batch.pred)


gan_generator_nonsaturating = combine(
    "gan_generator_nonsaturating",
    parts=(nonsaturating_cost, generated),
    row=nonsaturating_cost,
    gradient=_nonsaturating_gradient,
    forms=FORM,
    reading=MASKED,
    ranks=False,
    best=None,
    summary="Generator loss of a GAN, the non-saturating form.",
    doc="ln 2 where D = 1/2. Real rows do not count: their row value is 0.",
    formula="-mean over generated of ln D(x)",
    unit="nats",
    source=SOURCE,
    use="Training the generator: the slope is steep while the discriminator wins.",
    avoid="Ranking models: a low value may mean a weak discriminator. It gets no best mark.",
    peers={"torch": "BCELoss(D, 1) on generated rows: same"},
)
