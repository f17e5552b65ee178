"""Losses of generative adversarial training; target 1 is a real row, 0 a generated one, pred is D(x) or a score."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from lossctl.core.batch import Batch, flag, log_other_prob, log_prob
from lossctl.core.declare import declare
from lossctl.core.form import Form
from lossctl.core.loss import Loss
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


@dataclass(frozen=True)
class Cost:
    """What a row costs, whichever its kind, and the slope of that by the prediction or its logit."""

    value: Callable[[Batch], Any]
    slope: Callable[[Batch], Any]

    def of_real(self, batch: Batch) -> Array:
        """The cost of real rows, 0 of others."""
        return expected(real(batch), self.value(batch))

    def of_generated(self, batch: Batch) -> Array:
        """The cost of generated rows, 0 of others."""
        return expected(generated(batch), self.value(batch))

    def __neg__(self) -> Cost:
        return Cost(lambda batch: -self.value(batch), lambda batch: -self.slope(batch))


LN_D = Cost(log_prob, lambda batch: binary_slope(batch, 0.0, 1.0))
LN_NOT_D = Cost(log_other_prob, lambda batch: binary_slope(batch, 1.0, 0.0))
SURPRISE, SURPRISE_NOT = -LN_D, -LN_NOT_D
SCORE = Cost(lambda batch: batch.pred, lambda batch: np.ones_like(batch.pred))
MINUS_SCORE = -SCORE
SQUARE = Cost(lambda batch: 0.5 * np.square(batch.pred), lambda batch: batch.pred)
SQUARE_FROM_ONE = Cost(lambda batch: 0.5 * np.square(batch.pred - 1.0), lambda batch: batch.pred - 1.0)
ABOVE_MARGIN = Cost(lambda batch: np.maximum(1.0 + batch.pred, 0.0), lambda batch: 1.0 * (batch.pred > -1.0))
BELOW_MARGIN = Cost(lambda batch: np.maximum(1.0 - batch.pred, 0.0), lambda batch: -1.0 * (batch.pred < 1.0))


def game(
    form: Form, of_generated: Cost, of_real: Cost | None = None, **facts: Any
) -> Callable[[Callable[[], None]], Loss]:
    """Declare the mean of a cost over the generated rows, plus that of another over the real ones, if there is one."""

    def row(batch: Batch) -> Array:
        cost = of_generated.of_generated(batch)
        return of_real.of_real(batch) + cost if of_real else cost

    def gradient(batch: Batch) -> Array:
        slope = expected(generated(batch), of_generated.slope(batch))
        return expected(real(batch), of_real.slope(batch)) + slope if of_real else slope

    parts = (of_generated.of_generated, generated)
    return lambda function: declare(
        function,
        forms=(form,),
        parts=(of_real.of_real, real, *parts) if of_real else parts,
        statistic=TWO_RATIOS if of_real else MASKED,
        row=row,
        gradient=gradient,
        raw_gradient=gradient if form is ADVERSARIAL else None,
        ranks=False,
        best=None,
        **facts,
    )


@game(ADVERSARIAL, SURPRISE_NOT, SURPRISE)
def gan_discriminator() -> None:
    """Discriminator loss of a GAN: the negated min-max value.

    At the optimum D = 1/2 it is ln 4 = 1.386. A row costs -ln D if real and -ln(1 - D) if generated.
    The two kinds are averaged apart, so their shares do not matter. Undefined without rows of both kinds.

    Formula: -[mean over real of ln D(x) + mean over generated of ln(1 - D(x))]
    Unit: nats
    Optimises: the probability of a real row
    Use: To watch the discriminator: it should rightly call real rows real and generated rows generated.
    Avoid: Ranking models: a low value may mean a weak generator. It gets no best mark.
    Source: Goodfellow et al. 2014, arXiv:1406.2661
    Elsewhere:
        torch tutorials  nn.BCELoss on real rows plus nn.BCELoss on generated rows  # many tutorials halve it
        MONAI  PatchAdversarialLoss(criterion='bce', for_discriminator=True)  = gan_discriminator --activation sigmoid
            # of both kinds, added; float32, off where a logit is beyond 10
    """


@game(ADVERSARIAL, LN_NOT_D, LN_D, direction="max", like=gan_discriminator)
def gan_value() -> None:
    """Value of the min-max game of a GAN, V(D, G).

    What the discriminator maximises and the generator minimises: minus gan_discriminator.
    At the optimum D = 1/2 it is -ln 4 = -1.386.
    The two kinds are averaged apart, so their shares do not matter. Undefined without rows of both kinds.

    Formula: mean over real of ln D(x) + mean over generated of ln(1 - D(x))
    Use: To report the game as the paper writes it; near -ln 4 the discriminator cannot tell the rows apart.
    Avoid: Ranking models: a low value may mean a weak generator or a strong discriminator. It gets no best mark.
    Elsewhere:
        the paper  V(D, G)
    """


@game(ADVERSARIAL, LN_NOT_D, like=gan_discriminator)
def gan_generator() -> None:
    """Generator loss of a GAN, the saturating min-max form.

    Never positive; -ln 2 where D = 1/2. Real rows do not count: their row value is 0.

    Formula: mean over generated of ln(1 - D(x))
    Use: To report the min-max game as it is written.
    Avoid: Training: it saturates, its slope vanishes while the discriminator wins (gan_generator_nonsaturating).
    Elsewhere:
        torch tutorials  -nn.BCELoss with target 0 on generated rows
    """


@game(ADVERSARIAL, SURPRISE, like=gan_discriminator)
def gan_generator_nonsaturating() -> None:
    """Generator loss of a GAN, the non-saturating form.

    ln 2 where D = 1/2. Real rows do not count: their row value is 0.

    Formula: -mean over generated of ln D(x)
    Optimises: what passes as real
    Use: Training the generator: the slope is steep while the discriminator wins.
    Avoid: Ranking models: a low value may mean a weak discriminator. It gets no best mark.
    Elsewhere:
        torch tutorials  nn.BCELoss with target 1 on generated rows
    """


@game(CRITIC, SQUARE, SQUARE_FROM_ONE)
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
        MONAI      PatchAdversarialLoss(criterion='least_squares', for_discriminator=True)  ≠ of LeakyReLU(score)
        MONAI      PatchAdversarialLoss(criterion='least_squares', no_activation_leastsq=True, for_discriminator=True)
            = 2 x lsgan_discriminator  # of both kinds, added
    """


@game(CRITIC, SQUARE_FROM_ONE, like=lsgan_discriminator)
def lsgan_generator() -> None:
    """Generator loss of a least-squares GAN.

    Real rows do not count: their row value is 0.

    Formula: ½ mean over generated of (f(x) - 1)²
    Use: Training the generator of a least-squares GAN.
    Avoid: Ranking models: a low value may mean a weak discriminator. It gets no best mark.
    Elsewhere:
        the paper  lsgan generator
        MONAI      PatchAdversarialLoss(criterion='least_squares', for_discriminator=False)  ≠ of LeakyReLU(score)
        MONAI      PatchAdversarialLoss(criterion='least_squares', no_activation_leastsq=True, for_discriminator=False)
            = 2 x lsgan_generator  # generated rows
    """


@game(CRITIC, SCORE, MINUS_SCORE)
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


@game(CRITIC, MINUS_SCORE, like=wgan_critic)
def wgan_generator() -> None:
    """Generator loss of a Wasserstein GAN: minus the mean score of generated rows.

    Real rows do not count: their row value is 0. The generator loss of a hinge GAN is the same.

    Formula: -mean over generated of f(x)
    Use: Training the generator of a Wasserstein GAN.
    Avoid: Reporting: the score has no origin (wgan_critic).
    Elsewhere:
        the paper  wgan generator
    """


@game(CRITIC, ABOVE_MARGIN, BELOW_MARGIN)
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
        MONAI      PatchAdversarialLoss(criterion='hinge', for_discriminator=True)  ≠ of tanh(score)
    """


@game(CRITIC, MINUS_SCORE)
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
