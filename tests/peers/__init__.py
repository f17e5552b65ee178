"""What the declarations say of other libraries, executed: `make peers`.

A claim (`lossctl.core.loss.Peer`) names a library's function as an expression: `nn.HuberLoss(delta=0.5)`,
`1 - jaccard_score`. Its last name finds the adapter that calls it on our roles, its arguments are passed as they
stand, and one that is written like a parameter of the loss (`mean_pinball_loss(alpha=q)`) holds for every value of it.
"""
