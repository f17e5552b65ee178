"""Losses of generative adversarial training; target 1 is a real row, 0 a generated one, pred is D(x)."""

from __future__ import annotations

from typing import Any

import numpy as np

from lossctl.core.batch import Batch, flag, log_other_prob, log_prob
from lossctl.core.loss import Loss, Part, Peer, combine, differs, same
from lossctl.core.statistic import MASKED, TWO_RATIOS
from lossctl.losses.forms import ADVERSARIAL, CRITIC
from lossctl.losses.outcome import binary_slope
from lossctl.numerics.array import Array
from lossctl.numerics.quotient import expected

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


MAO = "Mao et al. 2017, arXiv:1611.04076"
ARJOVSKY = "Arjovsky et al. 2017, arXiv:1701.07875"
LIM = "Lim & Ye 2017, arXiv:1705.02894"


def above_one(batch: Batch) -> Array:
    """½ (f - 1)² on real rows."""
    return 0.5 * expected(real(batch), np.square(batch.pred - 1.0))


def above_zero(batch: Batch) -> Array:
    """½ f² on generated rows."""
    return 0.5 * expected(generated(batch), np.square(batch.pred))


def generated_above_one(batch: Batch) -> Array:
    """½ (f - 1)² on generated rows."""
    return 0.5 * expected(generated(batch), np.square(batch.pred - 1.0))


def minus_real(batch: Batch) -> Array:
    """-f on real rows."""
    return -real(batch) * batch.pred


def plus_generated(batch: Batch) -> Array:
    """f on generated rows."""
    return generated(batch) * batch.pred


def minus_generated(batch: Batch) -> Array:
    """-f on generated rows."""
    return -generated(batch) * batch.pred


def real_margin(batch: Batch) -> Array:
    """max(0, 1 - f) on real rows."""
    return real(batch) * np.maximum(1.0 - batch.pred, 0.0)


def generated_margin(batch: Batch) -> Array:
    """max(0, 1 + f) on generated rows."""
    return generated(batch) * np.maximum(1.0 + batch.pred, 0.0)


def of_critic(
    name: str, of_real: Part | None, of_generated: Part, *, elsewhere: tuple[Peer, ...] = (), **facts: Any
) -> Loss:
    """Declare a loss of scores, which no library of losses has by name."""
    own = (same("the paper", name.replace("_", " ")), *elsewhere)
    return game(name, of_real, of_generated, forms=(CRITIC,), elsewhere=own, **facts)


lsgan_discriminator = of_critic(
    "lsgan_discriminator",
    above_one,
    above_zero,
    gradient=lambda batch: batch.pred - real(batch),
    summary="Discriminator loss of a least-squares GAN.",
    doc=f"The labels are 1 for real and 0 for generated rows. {APART}",
    formula="½ mean over real of (f(x) - 1)² + ½ mean over generated of f(x)²",
    unit="1",
    source=MAO,
    use="Training that saturates less than with logarithms: rows far on the right side are pulled back too.",
    avoid=UNRANKED.format("generator"),
    elsewhere=(differs("MONAI", "PatchAdversarialLoss(criterion='least_squares')", "without ½, one kind at a time"),),
)

lsgan_generator = of_critic(
    "lsgan_generator",
    None,
    generated_above_one,
    gradient=lambda batch: generated(batch) * (batch.pred - 1.0),
    summary="Generator loss of a least-squares GAN.",
    doc=GENERATED,
    formula="½ mean over generated of (f(x) - 1)²",
    unit="1",
    source=MAO,
    use="Training the generator of a least-squares GAN.",
    avoid=UNRANKED.format("discriminator"),
    elsewhere=(same("MONAI", "PatchAdversarialLoss(criterion='least_squares')", factor=2.0, note="generated rows"),),
)

wgan_critic = of_critic(
    "wgan_critic",
    minus_real,
    plus_generated,
    gradient=lambda batch: generated(batch) - real(batch),
    summary="Critic loss of a Wasserstein GAN: the negated difference of the mean scores.",
    doc="Minus an estimate of the Wasserstein distance, if the critic is 1-Lipschitz; without gradient penalty.\n"
    f"{APART}",
    formula="mean over generated of f(x) - mean over real of f(x)",
    unit="that of the score",
    source=ARJOVSKY,
    use="To watch training: its size falls as generated rows come nearer to real ones.",
    avoid="Critics of different scale, or that are not Lipschitz. It gets no best mark.",
)

wgan_generator = of_critic(
    "wgan_generator",
    None,
    minus_generated,
    gradient=lambda batch: -generated(batch),
    summary="Generator loss of a Wasserstein GAN: minus the mean score of generated rows.",
    doc=f"{GENERATED} The generator loss of a hinge GAN is the same.",
    formula="-mean over generated of f(x)",
    unit="that of the score",
    source=ARJOVSKY,
    use="Training the generator of a Wasserstein GAN.",
    avoid="Reporting: the score has no origin (wgan_critic).",
)

hinge_gan_discriminator = of_critic(
    "hinge_gan_discriminator",
    real_margin,
    generated_margin,
    gradient=lambda batch: generated(batch) * (batch.pred > -1.0) - real(batch) * (batch.pred < 1.0),
    subgradient="0 where the margin is just kept",
    summary="Discriminator loss of a hinge GAN.",
    doc=APART,
    formula="mean over real of max(0, 1 - f(x)) + mean over generated of max(0, 1 + f(x))",
    unit="1",
    source=LIM,
    use="Training that leaves rows alone that are told apart by a margin already, as in SAGAN and BigGAN.",
    avoid=UNRANKED.format("generator"),
    elsewhere=(differs("MONAI", "PatchAdversarialLoss(criterion='hinge')", "takes one kind at a time"),),
)

hinge_gan_generator = of_critic(
    "hinge_gan_generator",
    None,
    minus_generated,
    gradient=lambda batch: -generated(batch),
    summary="Generator loss of a hinge GAN: minus the mean score of generated rows.",
    doc=f"{GENERATED} The generator loss of a Wasserstein GAN is the same.",
    formula="-mean over generated of f(x)",
    unit="that of the score",
    source=LIM,
    use="Training the generator of a hinge GAN.",
    avoid="Reporting: the score has no origin (hinge_gan_discriminator).",
)
