"""Losses of generative adversarial training; target 1 is a real row, 0 a generated one, pred is D(x)."""

from __future__ import annotations

from typing import Any

import numpy as np

from lossctl.core.batch import Batch, flag, log_other_prob, log_prob
from lossctl.core.loss import Loss, Part, combine, differs, same
from lossctl.core.statistic import MASKED, TWO_RATIOS
from lossctl.losses.forms import ADVERSARIAL
from lossctl.losses.observed import binary_slope, expected
from lossctl.numerics.array import Array

GOODFELLOW = "Goodfellow et al. 2014, arXiv:1406.2661"
APART = "The two kinds are averaged apart, so their shares do not matter. Undefined without rows of both kinds."
GENERATED = "Real rows do not count: their row value is 0."
UNRANKED = "Ranking models: a low value may mean a weak {}. It gets no best mark."


def real(batch: Batch) -> Array:
    """1 for a real row."""
    return flag(batch)


def generated(batch: Batch) -> Array:
    """1 for a generated row."""
    return 1.0 - flag(batch)


def game(name: str, of_real: Part | None, of_generated: Part, **facts: Any) -> Loss:
    """Declare the mean of a cost over the generated rows, plus that of another over the real ones, if there is one."""
    if of_real is None:
        return combine(
            name, parts=(of_generated, generated), reading=MASKED, row=of_generated, ranks=False, best=None, **facts
        )
    return combine(
        name,
        parts=(of_real, real, of_generated, generated),
        reading=TWO_RATIOS,
        row=lambda batch: of_real(batch) + of_generated(batch),
        ranks=False,
        best=None,
        **facts,
    )


def real_cost(batch: Batch) -> Array:
    """-ln D(x) on real rows, 0 on others."""
    return -expected(real(batch), log_prob(batch))


def generated_cost(batch: Batch) -> Array:
    """-ln(1 - D(x)) on generated rows, 0 on others."""
    return -expected(generated(batch), log_other_prob(batch))


def real_gain(batch: Batch) -> Array:
    """ln D(x) on real rows, 0 on others."""
    return -real_cost(batch)


def generated_gain(batch: Batch) -> Array:
    """ln(1 - D(x)) on generated rows, 0 on others."""
    return -generated_cost(batch)


def nonsaturating_cost(batch: Batch) -> Array:
    """-ln D(x) on generated rows, 0 on others."""
    return -expected(generated(batch), log_prob(batch))


def _discriminator_gradient(batch: Batch) -> Array:
    return binary_slope(batch, -generated(batch), -real(batch))


def _value_gradient(batch: Batch) -> Array:
    return -_discriminator_gradient(batch)


def _generator_gradient(batch: Batch) -> Array:
    return binary_slope(batch, generated(batch), np.zeros_like(batch.pred))


def _nonsaturating_gradient(batch: Batch) -> Array:
    return binary_slope(batch, np.zeros_like(batch.pred), -generated(batch))


gan_discriminator = game(
    "gan_discriminator",
    real_cost,
    generated_cost,
    forms=(ADVERSARIAL,),
    gradient=_discriminator_gradient,
    raw_gradient=_discriminator_gradient,
    summary="Discriminator loss of a GAN: the negated min-max value.",
    doc=f"At the optimum D = 1/2 it is ln 4 = 1.386. A row costs -ln D if real and -ln(1 - D) if generated.\n{APART}",
    formula="-[mean over real of ln D(x) + mean over generated of ln(1 - D(x))]",
    unit="nats",
    source=GOODFELLOW,
    use="To watch the discriminator: it should rightly call real rows real and generated rows generated.",
    avoid=UNRANKED.format("generator"),
    elsewhere=(
        same(
            "torch tutorials",
            "nn.BCELoss on real rows plus nn.BCELoss on generated rows",
            note="many tutorials halve it",
        ),
        differs("MONAI", "PatchAdversarialLoss(criterion='bce', for_discriminator=True)", "takes one kind at a time"),
    ),
)

gan_value = game(
    "gan_value",
    real_gain,
    generated_gain,
    forms=(ADVERSARIAL,),
    direction="max",
    gradient=_value_gradient,
    raw_gradient=_value_gradient,
    summary="Value of the min-max game of a GAN, V(D, G).",
    doc="What the discriminator maximises and the generator minimises: minus gan_discriminator.\n"
    f"At the optimum D = 1/2 it is -ln 4 = -1.386.\n{APART}",
    formula="mean over real of ln D(x) + mean over generated of ln(1 - D(x))",
    unit="nats",
    source=GOODFELLOW,
    use="To report the game as the paper writes it; near -ln 4 the discriminator cannot tell the rows apart.",
    avoid=UNRANKED.format("generator or a strong discriminator"),
    elsewhere=(same("the paper", "V(D, G)"),),
)

gan_generator = game(
    "gan_generator",
    None,
    generated_gain,
    forms=(ADVERSARIAL,),
    gradient=_generator_gradient,
    raw_gradient=_generator_gradient,
    summary="Generator loss of a GAN, the saturating min-max form.",
    doc=f"Never positive; -ln 2 where D = 1/2. {GENERATED}",
    formula="mean over generated of ln(1 - D(x))",
    unit="nats",
    source=GOODFELLOW,
    use="To report the min-max game as it is written.",
    avoid="Training: it saturates, its slope vanishes while the discriminator wins (gan_generator_nonsaturating).",
    elsewhere=(same("torch tutorials", "-nn.BCELoss with target 0 on generated rows"),),
)

gan_generator_nonsaturating = game(
    "gan_generator_nonsaturating",
    None,
    nonsaturating_cost,
    forms=(ADVERSARIAL,),
    gradient=_nonsaturating_gradient,
    raw_gradient=_nonsaturating_gradient,
    summary="Generator loss of a GAN, the non-saturating form.",
    doc=f"ln 2 where D = 1/2. {GENERATED}",
    formula="-mean over generated of ln D(x)",
    unit="nats",
    source=GOODFELLOW,
    use="Training the generator: the slope is steep while the discriminator wins.",
    avoid=UNRANKED.format("discriminator"),
    elsewhere=(same("torch tutorials", "nn.BCELoss with target 1 on generated rows"),),
)
