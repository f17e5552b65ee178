"""Names of other libraries: the loss that one is, or what gives its number, from what the losses claim of them.

A claim (`core.loss.Peer`) is the only place where a name of a library stands; what no loss claims is in `NOT_HERE`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from lossctl.core.loss import Loss, Peer

EXACT: Final = ("torch", "keras", "optax", "scikit-learn", "torchmetrics", "XGBoost", "LightGBM", "CatBoost")
CALL: Final = re.compile(r"(?P<sign>[-\d].*[-+*] ?|-)?(?P<function>[\w.:@-]*[A-Za-z][\w.:@-]*)(?:\((?P<words>.*)\))?")
WORD: Final = re.compile(r"(\w+)=(?!True|False|None)([A-Za-z_]\w*)(?=[,)]|$)")
GENERAL: Final = ("regression", "error", "binary", "multiclass", "total")  # words that are names of functions, too
OTHER_DEFAULT: Final = "by default"  # in the note of a claim whose parameters the library sets otherwise
REFLECTED: Final = ("-", "1 - ")  # the signs of a claim that stand as well before the loss
NEGATED: Final = "neg"  # before the names of scikit-learn's scorers

# names that no library has for one number, by what they may mean; written as `joined` does
MEANT: Final[Mapping[str, str]] = {
    "a likelihood is that of a distribution: bce or cce of labels, nll of their log-probabilities, poisson of counts, "
    "gaussian_nll or laplace_nll of numbers, cox of survival times": """
        negloglikelihood negativeloglikelihood loglikelihood likelihood nllik loglik deviance""",
    "it is bce for yes/no labels, cce for classes; of logits with --activation sigmoid or softmax": """
        ce xent crossentropies softmaxloss softmaxcrossentropyloss crossentropyerror""",
    "it is a score, larger is better: 1 - iou_mask of masks, 1 - iou of boxes, critical_success_index of 0/1": """
        intersectionoverunion jaccardcoefficient jaccardsimilarity ioucoefficient miou iouscore""",
    "it is a score, larger is better: 1 - dice of masks, f1 of yes/no labels": """
        sorensendice sorensendicecoefficient dicecoefficient dicecoef dicesimilarity dicesimilaritycoefficient dsc""",
    "it is a score, larger is better: 1 - tversky": """
        tverskyindex tverskycoefficient tverskyscore""",
    "it is wasserstein1 between ordered bins, or emd_squared of ordered classes": """
        emd""",
}
# names that no loss claims, by the reason
NOT_HERE: Final[Mapping[str, str]] = {
    "lossctl does not have this score; precision, recall, f1, mcc and balanced_accuracy are near": """
        fbeta fbetascore f f2 specificity selectivity tnr truenegativerate fpr negativepredictivevalue npv
        precisionatfixedrecall recallatfixedprecision precisionatrecall recallatprecision sensitivityatspecificity
        specificityatsensitivity binaryeer multiclasseer multilabeleer eer positivelikelihoodratio
        negnegativelikelihoodratio jaccardmacro jaccardmicro jaccardsamples jaccardweighted f1samples precisionsamples
        recallsamples wkappa totalf1 informedness youden gmean""",
    "lossctl does not have this score; roc_auc and average_precision are near": """
        logauc aucmu aucmulticlass aucpr prauc praucmulticlass queryauc queryaucmulticlass partialauc ks gains lift""",
    "it is 2 x roc_auc - 1": """
        normalizedgini normalizedginimulticlass gini somersd""",
    "lossctl does not have this score of lists; ndcg, map and mrr are near": """
        dcg dcgscore filtereddcg err pre precisionat recallat retrievalfallout retrievalhitrate retrievalprecision
        retrievalrprecision retrievalrecall retrievalrecallatfixedprecision hitrate averagegain pairaccuracy hit
        xendcgmart""",
    "it is the share of residuals above a size, which lossctl does not have": """
        numerrors""",
    "it compares sums, or counts of a group, not rows": """
        ctrfactor groupquantile loglikelihoodofprediction""",
    "it has weights of its own, which a table of predictions does not hold": """
        adaptivelogsoftmaxwithloss linearcrossentropyloss linearcrossentropy""",
    "it aligns sequences, which a table of predictions does not hold": """
        ctc ctcloss ctclosswithforwardprobs""",
    "it makes a loss of a function that is given in code": """
        makefenchelyoungloss combination userperobjmetric userquerywisemetric""",
    "it makes targets; the losses have a parameter label_smoothing": """
        smoothlabels""",
    "it is a score of texts": """
        bleuscore sacrebleuscore chrfscore rougescore squad charerrorrate worderrorrate matcherrorrate
        wordinformationlost wordinformationpreserved wordinfolost wordinfopreserved extendededitdistance
        translationeditrate bertscore infolm editdistance""",
    "it is a score of sounds": """
        permutationinvarianttraining pitpermutate scaleinvariantsignaldistortionratio
        scaleinvariantsignalnoiseratio signaldistortionratio signalnoiseratio sdr snr sisdr sisnr""",
    "it is a score of pictures as a whole, and rows have no neighbours here": """
        errorrelativeglobaldimensionlesssynthesis imagegradients multiscalestructuralsimilarityindexmeasure
        structuralsimilarityindexmeasure universalimagequalityindex spectralanglemapper spectraldistortionindex
        relativeaveragespectralerror rootmeansquarederrorusingslidingwindow ssim msssim uqi ergas sam rase lpips fid
        lipvertexerror panopticquality modifiedpanopticquality""",
    "it is a score of clusters, whose labels have no names": """
        adjustedmutualinfoscore adjustedrandscore calinskiharabaszscore completenessscore consensusscore
        daviesbouldinscore fowlkesmallowsscore homogeneitycompletenessvmeasure homogeneityscore mutualinfoscore
        normalizedmutualinfoscore pairconfusionmatrix randscore silhouettesamples silhouettescore vmeasurescore
        ari nmi ami""",
    "it is a measure of association between two columns of labels": """
        cramersv cramersvmatrix pearsonscontingencycoefficient pearsonscontingencycoefficientmatrix theilsu
        theilsumatrix tschuprowst tschuprowstmatrix fleisskappa""",
    "it is a table, a curve or several numbers, and a loss is one": """
        confusionmatrix confusionmatrixatthresholds multilabelconfusionmatrix classificationreport detcurve roccurve
        roc precisionrecallcurve precisionrecallfscoresupport classlikelihoodratios metricatthresholds statscores
        retrievalprecisionrecallcurve""",
    "it is a matrix of all pairs of rows": """
        euclideandistances naneuclideandistances pairwisedistances pairwisedistancesargmin
        pairwisedistancesargminmin pairwisedistanceschunked pairwisekernels pairwisecosinesimilarity
        pairwiseeuclideandistance pairwiselinearsimilarity pairwisemanhattandistance pairwiseminkowskidistance""",
    "it is a count of rows": """
        truepositives truenegatives falsepositives falsenegatives""",
    "it learns from an interval or a censored time of a parametric law": """
        survival:aft aftnloglik survivalaft intervalregressionaccuracy""",
    "it ranks pairs while it trains, with weights of its own": """
        rank:map lambdamart yetirank stochasticfilter stochasticrank pfound""",
    "it is not here; log_cosh, huber and cauchy are of its kind": """
        fair fairloss""",
    "it is not here; mape, rmsle and maape are of its kind": """
        rmspe""",
    "it predicts means and deviations together": """
        rmsewithuncertainty""",
    "it leaves missing targets out: drop their rows, as with --missing drop": """
        multirmsewithmissingvalues""",
}


def joined(name: str) -> str:
    """Return a name without its modules, capitals and separators: `torch.nn.MSELoss` and `mse_loss` are one."""
    return re.sub(r"[\s_-]", "", bare(name)).casefold()


def bare(name: str) -> str:
    """Return a name without its modules and the number behind it: `error@0.3`, `nn.MSELoss`."""
    return name.strip().partition("@")[0].rpartition(".")[2]


@dataclass(frozen=True)
class Lead:
    """A claim that speaks of a name, and the loss that makes it."""

    loss: Loss
    peer: Peer
    name: str
    function: str
    sign: str
    words: str

    @property
    def plain(self) -> bool:
        """Whether it speaks of a function as it is, its arguments being at most the parameters of the loss."""
        return not self.sign and not WORD.sub("", self.words).strip(" ,")

    @property
    def same(self) -> bool:
        """Whether the function as it is gives the number of the loss as it is, by the defaults of both."""
        return self.plain and self.peer.same and OTHER_DEFAULT not in self.peer.note

    def __str__(self) -> str:
        peer = replace(self.peer, name=self.name, also=())
        return f"{peer.library}: {peer.words(self.loss.name)}"


class Names:
    """The names that losses claim of other libraries."""

    def __init__(self, losses: Iterable[Loss]) -> None:
        self._leads: dict[str, list[Lead]] = {}
        for loss in losses:
            for peer in loss.elsewhere:
                for name in (peer.name, *peer.also):
                    if call := CALL.fullmatch(name):
                        function = bare(call["function"])
                        lead = Lead(loss, peer, name, function, call["sign"] or "", call["words"] or "")
                        self._leads.setdefault(joined(function), []).append(lead)

    def leads(self, name: str) -> list[Lead]:
        """Return the claims of a name, with or without `_score`: of the function as it is where some are."""
        word = joined(name)
        spellings = (word, f"{word}score", word.removesuffix("score"))
        leads = next((self._leads[spelling] for spelling in spellings if spelling in self._leads), [])
        return [lead for lead in leads if lead.plain] or leads

    def loss(self, name: str) -> str | None:
        """Return the loss that a name is: where all that is claimed of the function as it is says so."""
        leads = [lead for lead in self._leads.get(joined(name), []) if lead.plain and lead.peer.library in EXACT]
        losses = {lead.loss.name if lead.same else None for lead in leads}
        return losses.pop() if len(losses) == 1 and joined(name) not in GENERAL else None

    def other(self, name: str) -> bool:
        """Whether what is claimed of a name is another number than that of a loss as it is, at least in one library."""
        return not all(lead.same for lead in self.leads(name))

    def advice(self, name: str) -> str:
        """Say what gives the number of a name, or why nothing does; nothing for a name of no library."""
        word = joined(name)
        if leads := self.leads(name):
            return _what_gives_it(leads)
        for reason, names in (*MEANT.items(), *NOT_HERE.items()):
            if word in names.split():
                return reason
        leads = self._negated(word)
        return f"a scorer that is -1 times this: {_what_gives_it(leads)}" if leads else ""

    def meant(self, name: str) -> set[str]:
        """Return the losses that a name is, is near to or may mean; none for one that no library has for a loss."""
        word = joined(name)
        if word in GENERAL:
            return set()
        words = {
            part for reason, names in MEANT.items() if word in names.split() for part in re.findall(r"\w+", reason)
        }
        return {lead.loss.name for lead in self.leads(name) or self._negated(word)} or words

    def _negated(self, word: str) -> list[Lead]:
        """Return the claims of the function of which a name is scikit-learn's scorer."""
        function = word.removeprefix(NEGATED)
        scores = [*self.leads(function), *self.leads(f"{function}loss")] if word.startswith(NEGATED) else []
        return [lead for lead in scores if lead.peer.library == "scikit-learn"]


def _what_gives_it(leads: list[Lead]) -> str:
    """Say what gives the number; where several losses do, which data they take tells them apart."""
    same = [lead for lead in leads if not lead.peer.differs]
    if not same:
        return "none here gives its number; " + "; ".join(f"near {lead.loss.name}, {lead}" for lead in leads)
    exact = "; ".join(dict.fromkeys(map(str, same)))
    data = {f"{lead.sign if lead.sign in REFLECTED else ''}{lead.loss.name}": lead.loss.forms[0].name for lead in same}
    if len(set(data.values())) == 1:
        return exact
    return f"it is {', '.join(f'{name} for {form} data' for name, form in data.items())}; to the digit, {exact}"


def arguments(loss: Loss) -> dict[str, str]:
    """Return what other libraries call the parameters of a loss: `quantile:alpha=0.9` is `quantile:q=0.9`."""
    names = {param.name for param in loss.params}
    meant: dict[str, set[str]] = {}
    for peer in loss.elsewhere:
        for word, param in WORD.findall(peer.name):
            if param in names and word not in names:
                meant.setdefault(word, set()).add(param)
    return {word: next(iter(params)) for word, params in meant.items() if len(params) == 1}
