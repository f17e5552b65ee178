"""Losses of generative adversarial training; target 1 is a real row, 0 a generated one, pred is D(x)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lossctl.core.batch import Batch, flag, log_other_prob, log_prob
from lossctl.core.declare import declare
from lossctl.core.loss import Loss, Part
from lossctl.core.statistic import MASKED, TWO_RATIOS
from lossctl.losses.forms import ADVERSARIAL, CRITIC
from lossctl.losses.outcome import binary_slope
from lossctl.numerics.array import Array
from lossctl.numerics.quotient import expected


def real(batch: Batch) -> Array:
    """1 for a real row."""
    return flag(batch)


def generated(batch: Batch) -> Array:
    """1 for a generated row."""
    return 1.0 - flag(batch)


def game(of_real: Part | None, of_generated: Part, **facts: Any) -> Callable[[Callable[[], None]], Loss]:
    """Declare the mean of a cost over the generated rows, plus that of another over the real ones, if there is one."""
    if of_real is None:
        facts |= {"parts": (of_generated, generated), "reading": MASKED, "row": of_generated}
    else:
        parts = (of_real, real, of_generated, generated)
        facts |= {"parts": parts, "reading": TWO_RATIOS, "row": lambda batch: of_real(batch) + of_generated(batch)}
    return lambda function: declare(function, ranks=False, best=None, **facts)


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


@game(
    real_cost,
    generated_cost,
    forms=(ADVERSARIAL,),
    gradient=_discriminator_gradient,
    raw_gradient=_discriminator_gradient,
)
def gan_discriminator() -> None:
    """Discriminator loss of a GAN: the negated min-max value.

    At the optimum D = 1/2 it is ln 4 = 1.386. A row costs -ln D if real and -ln(1 - D) if generated.
    The two kinds are averaged apart, so their shares do not matter. Undefined without rows of both kinds.

    Formula: -[mean over real of ln D(x) + mean over generated of ln(1 - D(x))]
    Unit: nats
    Use: To watch the discriminator: it should rightly call real rows real and generated rows generated.
    Avoid: Ranking models: a low value may mean a weak generator. It gets no best mark.
    Source: Goodfellow et al. 2014, arXiv:1406.2661
    Elsewhere:
        torch tutorials  nn.BCELoss on real rows plus nn.BCELoss on generated rows  # many tutorials halve it
        MONAI            PatchAdversarialLoss(criterion='bce', for_discriminator=True)  ≠ takes one kind at a time
    """


@game(
    real_gain,
    generated_gain,
    forms=(ADVERSARIAL,),
    direction="max",
    gradient=_value_gradient,
    raw_gradient=_value_gradient,
)
def gan_value() -> None:
    """Value of the min-max game of a GAN, V(D, G).

    What the discriminator maximises and the generator minimises: minus gan_discriminator.
    At the optimum D = 1/2 it is -ln 4 = -1.386.
    The two kinds are averaged apart, so their shares do not matter. Undefined without rows of both kinds.

    Formula: mean over real of ln D(x) + mean over generated of ln(1 - D(x))
    Unit: nats
    Use: To report the game as the paper writes it; near -ln 4 the discriminator cannot tell the rows apart.
    Avoid: Ranking models: a low value may mean a weak generator or a strong discriminator. It gets no best mark.
    Source: Goodfellow et al. 2014, arXiv:1406.2661
    Elsewhere:
        the paper  V(D, G)
    """


@game(None, generated_gain, forms=(ADVERSARIAL,), gradient=_generator_gradient, raw_gradient=_generator_gradient)
def gan_generator() -> None:
    """Generator loss of a GAN, the saturating min-max form.

    Never positive; -ln 2 where D = 1/2. Real rows do not count: their row value is 0.

    Formula: mean over generated of ln(1 - D(x))
    Unit: nats
    Use: To report the min-max game as it is written.
    Avoid: Training: it saturates, its slope vanishes while the discriminator wins (gan_generator_nonsaturating).
    Source: Goodfellow et al. 2014, arXiv:1406.2661
    Elsewhere:
        torch tutorials  -nn.BCELoss with target 0 on generated rows
    """


@game(
    None,
    nonsaturating_cost,
    forms=(ADVERSARIAL,),
    gradient=_nonsaturating_gradient,
    raw_gradient=_nonsaturating_gradient,
)
def gan_generator_nonsaturating() -> None:
    """Generator loss of a GAN, the non-saturating form.

    ln 2 where D = 1/2. Real rows do not count: their row value is 0.

    Formula: -mean over generated of ln D(x)
    Unit: nats
    Use: Training the generator: the slope is steep while the discriminator wins.
    Avoid: Ranking models: a low value may mean a weak discriminator. It gets no best mark.
    Source: Goodfellow et al. 2014, arXiv:1406.2661
    Elsewhere:
        torch tutorials  nn.BCELoss with target 1 on generated rows
    """


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


@game(above_one, above_zero, forms=(CRITIC,), gradient=lambda batch: batch.pred - real(batch))
def lsgan_discriminator() -> None:
    """Discriminator loss of a least-squares GAN.

    The labels are 1 for real and 0 for generated rows. The two kinds are averaged apart, so their shares do not matter.
        Undefined without rows of both kinds.

    Formula: ½ mean over real of (f(x) - 1)² + ½ mean over generated of f(x)²
    Unit: 1
    Use: Training that saturates less than with logarithms: rows far on the right side are pulled back too.
    Avoid: Ranking models: a low value may mean a weak generator. It gets no best mark.
    Source: Mao et al. 2017, arXiv:1611.04076
    Elsewhere:
        the paper  lsgan discriminator
        MONAI      PatchAdversarialLoss(criterion='least_squares')  ≠ without ½, one kind at a time
    """


@game(None, generated_above_one, forms=(CRITIC,), gradient=lambda batch: generated(batch) * (batch.pred - 1.0))
def lsgan_generator() -> None:
    """Generator loss of a least-squares GAN.

    Real rows do not count: their row value is 0.

    Formula: ½ mean over generated of (f(x) - 1)²
    Unit: 1
    Use: Training the generator of a least-squares GAN.
    Avoid: Ranking models: a low value may mean a weak discriminator. It gets no best mark.
    Source: Mao et al. 2017, arXiv:1611.04076
    Elsewhere:
        the paper  lsgan generator
        MONAI      PatchAdversarialLoss(criterion='least_squares')  = 2 x lsgan_generator  # generated rows
    """


@game(minus_real, plus_generated, forms=(CRITIC,), gradient=lambda batch: generated(batch) - real(batch))
def wgan_critic() -> None:
    """Critic loss of a Wasserstein GAN: the negated difference of the mean scores.

    Minus an estimate of the Wasserstein distance, if the critic is 1-Lipschitz; without gradient penalty.
    The two kinds are averaged apart, so their shares do not matter. Undefined without rows of both kinds.

    Formula: mean over generated of f(x) - mean over real of f(x)
    Unit: that of the score
    Use: To watch training: its size falls as generated rows come nearer to real ones.
    Avoid: Critics of different scale, or that are not Lipschitz. It gets no best mark.
    Source: Arjovsky et al. 2017, arXiv:1701.07875
    Elsewhere:
        the paper  wgan critic
    """


@game(None, minus_generated, forms=(CRITIC,), gradient=lambda batch: -generated(batch))
def wgan_generator() -> None:
    """Generator loss of a Wasserstein GAN: minus the mean score of generated rows.

    Real rows do not count: their row value is 0. The generator loss of a hinge GAN is the same.

    Formula: -mean over generated of f(x)
    Unit: that of the score
    Use: Training the generator of a Wasserstein GAN.
    Avoid: Reporting: the score has no origin (wgan_critic).
    Source: Arjovsky et al. 2017, arXiv:1701.07875
    Elsewhere:
        the paper  wgan generator
    """


@game(
    real_margin,
    generated_margin,
    forms=(CRITIC,),
    gradient=lambda batch: generated(batch) * (batch.pred > -1.0) - real(batch) * (batch.pred < 1.0),
)
def hinge_gan_discriminator() -> None:
    """Discriminator loss of a hinge GAN.

    The two kinds are averaged apart, so their shares do not matter. Undefined without rows of both kinds.

    Formula: mean over real of max(0, 1 - f(x)) + mean over generated of max(0, 1 + f(x))
    Unit: 1
    Use: Training that leaves rows alone that are told apart by a margin already, as in SAGAN and BigGAN.
    Avoid: Ranking models: a low value may mean a weak generator. It gets no best mark.
    Source: Lim & Ye 2017, arXiv:1705.02894
    Subgradient: 0 where the margin is just kept
    Elsewhere:
        the paper  hinge gan discriminator
        MONAI      PatchAdversarialLoss(criterion='hinge')  ≠ takes one kind at a time
    """


@game(None, minus_generated, forms=(CRITIC,), gradient=lambda batch: -generated(batch))
def hinge_gan_generator() -> None:
    """Generator loss of a hinge GAN: minus the mean score of generated rows.

    Real rows do not count: their row value is 0. The generator loss of a Wasserstein GAN is the same.

    Formula: -mean over generated of f(x)
    Unit: that of the score
    Use: Training the generator of a hinge GAN.
    Avoid: Reporting: the score has no origin (hinge_gan_discriminator).
    Source: Lim & Ye 2017, arXiv:1705.02894
    Elsewhere:
        the paper  hinge gan generator
    """
