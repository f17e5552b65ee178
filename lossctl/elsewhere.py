"""Names of other libraries: the loss that one is, or what gives its number, from what the losses claim of them.

A claim (`core.loss.Peer`) is the only place where a name of a library stands; what no loss claims is in `NOT_HERE`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from lossctl.core.loss import Loss, Peer
from lossctl.core.param import GUARDS, typed_in

LIBRARIES: Final = {  # the first word of a dotted name -> how claims write the library
    **dict.fromkeys(("torch", "nn", "f", "functional"), ("torch",)),
    **dict.fromkeys(("tf", "tensorflow"), ("keras", "tensorflow")),
    **{name: (name,) for name in ("keras", "optax", "torchmetrics", "torchvision", "lifelines", "pycox", "scipy")},
    **{name.casefold(): (name,) for name in ("XGBoost", "LightGBM", "CatBoost", "MONAI")},
    "sklearn": ("scikit-learn",),
    "smp": ("segmentation-models-pytorch",),
    "segmentation_models_pytorch": ("segmentation-models-pytorch",),
    "pytorch_metric_learning": ("pytorch-metric-learning",),
}
OPTIONS: Final = {  # arguments of other libraries that are not of the loss here
    "reduction": "--reduction mean or sum",
    "from_logits": "--activation sigmoid, or softmax of classes",
    "sample_weight": "--weight COLUMN",
    "weight": "class_weight=1/2/3, a number for each class, or --weight COLUMN",
    "pos_label": "--positive-label LABEL",
    "labels": "--classes LABEL,...",
    "task": "--task binary, multiclass or multilabel",
    **dict.fromkeys(("num_classes", "num_labels"), "the columns tell"),
}
SPELLINGS: Final = {"top": "k", "top_k": "k", "focal_alpha": "alpha", "focal_gamma": "gamma"}  # of parameters elsewhere
EXACT: Final = ("torch", "keras", "optax", "scikit-learn", "torchmetrics", "XGBoost", "LightGBM", "CatBoost")
CALL: Final = re.compile(r"(?P<sign>[-\d].*[-+*] ?|-)?(?P<function>[\w.:@-]*[A-Za-z][\w.:@-]*)(?:\((?P<words>.*)\))?")
WORD: Final = re.compile(r"(\w+)=(?!True|False|None)([A-Za-z_]\w*)(?=[,)]|$)")
GENERAL: Final = ("regression", "error", "binary", "multiclass", "total")  # words that are names of functions, too
LITERAL: Final = re.compile(r"(\w+)=('[^']*'|\[[^]]*\]|\([^)]*\)|[^,]+)")
OTHER_DEFAULT: Final = "by default"  # in the note of a claim whose parameters the library sets otherwise
# what libraries put around the name of a loss: the task, an average, how many items, and the kind
DRESS: Final = re.compile(
    r"(?P<task>binary|multiclass|multilabel)?(?P<average>macro|micro|weighted)?(?P<name>.+?)"
    r"((at|cut)(?P<k>[1-9]\d*|k))?(?P<kind>(loss|flat|fn|score|measure|metric)*)"
)
OVERLAPS: Final = ("boxes", "masks")  # families whose losses are 1 - a score that has their name
PARTLY: Final = re.compile("of one output|where there are two columns")  # in the note of what else is another number
NO_ARGUMENTS: Final[Mapping[str, str]] = {}
REFLECTED: Final = ("-", "1 - ")  # the signs of a claim that stand as well before the loss
NEGATED: Final = "neg"  # before the names of scikit-learn's scorers

# names that no library has for one number, by what they may mean; written as `joined` does
MEANT: Final[Mapping[str, str]] = {
    "a likelihood is that of a distribution: bce or cce of labels, nll of their log-probabilities, poisson of counts, "
    "gaussian_nll or laplace_nll of numbers, cox of survival times": """
        negloglikelihood negativeloglikelihood loglikelihood likelihood nllik loglik deviance""",
    "it is bce for yes/no labels, cce for classes; of logits with --activation sigmoid or softmax": """
        ce xent crossentropies softmaxloss softmaxcrossentropyloss crossentropyerror logscore logarithmicscore
        logisticloss mnlogloss binomialdeviance multinomialdeviance""",
    "it is bce --activation sigmoid": "bcewithlogits bcelogits bcewithlogitslossflat sigmoidcrossentropywithlogits",
    "it is bce:pos_weight=WEIGHT --activation sigmoid": "weightedcrossentropywithlogits weightedcrossentropy",
    "it is expectile": "reg:expectileerror",
    "it is zero_one": "01loss 0/1loss",
    "it is cce --activation softmax": """
        ccewithlogits ccelogits crossentropywithlogits softmaxcrossentropywithlogits crossentropylossflat
        sparsesoftmaxcrossentropywithlogits softtargetcrossentropy softcrossentropyloss fixedcrossentropy
        forcausallmloss forsequenceclassificationloss""",
    "it is cce:label_smoothing=0.1 --activation softmax": """
        labelsmoothingcrossentropy labelsmoothingcrossentropyflat labelsmoother""",
    "it is focal --activation softmax": "focallossflat",
    "it is mbe, of the other sign where an error is pred - target": "bias meanerror meanbias me",
    "it is mse --reduction sum": "sse rss ssr sumofsquarederrors residualsumofsquares",
    "it is mae, or median_absolute_error": "mad",
    "it is rse, over the variance of the targets": "nmse normalizedmse normalizedmeansquarederror",
    "it is wape": "nd normalizeddeviation",
    "it is quantile with a column for each quantile, as quantile:q=0.1/0.5/0.9": "mqloss multiquantileloss",
    "it is contrastive of pairs, whose label is 1 where they differ": "contrastiveloss",
    "it is pearson, or spearman of ranks": "r corr correlationcoefficient",
    "it is mcc of yes/no labels": "phi",
    "it is kappa": "kap",
    "it is d2_brier": "bss",
    "it is total_variation": "tv tvdistance",
    "it is mrr": "reciprank",
    "it is recall": "sens",
    "it is 1 - recall": "fnr falsenegativerate missrate",
    "it is 1 - precision": "fdr falsediscoveryrate",
    "it is 2 x balanced_accuracy - 1": "youden youdensj jindex informedness",
    "it is balanced_accuracy; with average=micro it is accuracy": "multiclassaccuracy",
    "it is 1 - balanced_accuracy; with average=micro it is zero_one": "multiclasshammingdistance",
    "it is 1 - hamming": "multilabelaccuracy accuracymulti",
    "it is map:empty=1, with one list for each row": "multilabelrankingaverageprecision",
    "of columns manhattan is mae --reduction sum, euclidean the root of mse --reduction sum, chebyshev max_error": """
        euclidean euclideandistance manhattan cityblock chebyshev linf pairwisedistance""",
    "it is a score, larger is better: 1 - iou_mask of masks, 1 - iou of boxes, critical_success_index of 0/1": """
        intersectionoverunion jaccardcoefficient jaccardsimilarity ioucoefficient miou iouscore""",
    "it is a score, larger is better: 1 - dice of masks, f1 of yes/no labels": """
        sorensendice sorensendicecoefficient dicecoefficient dicecoef dicesimilarity dicesimilaritycoefficient dsc""",
    "it is a score, larger is better: 1 - tversky": "tverskyindex tverskycoefficient tverskyscore",
    "it is wasserstein1 between ordered bins, or emd_squared of ordered classes": "emd",
}
# names that no loss claims, by the reason
NOT_HERE: Final[Mapping[str, str]] = {
    "lossctl does not have this score; precision, recall, f1, mcc and balanced_accuracy are near": """
        fbeta fbetascore f f2 f0 f05 spec specificity selectivity tnr truenegativerate fpr negativepredictivevalue npv
        precisionatfixedrecall recallatfixedprecision precisionatrecall recallatprecision sensitivityatspecificity
        specificityatsensitivity binaryeer multiclasseer multilabeleer eer positivelikelihoodratio
        negnegativelikelihoodratio jaccardmacro jaccardmicro jaccardsamples jaccardweighted f1samples precisionsamples
        recallsamples totalf1 gmean markedness falsepositiverate""",
    "kappa has no weights here; spearman and emd_squared take the order of classes in": """
        wkappa weightedkappa quadraticweightedkappa linearweightedkappa qwk""",
    "lossctl does not have this score; roc_auc and average_precision are near": """
        logauc aucmu aucmulticlass aucpr prauc auprc areaunderpr praucmulticlass queryauc queryaucmulticlass partialauc
        ks kolmogorovsmirnov gains lift gaincapture""",
    "it is 2 x roc_auc - 1": "normalizedgini normalizedginimulticlass gini somersd",
    "lossctl does not have this score of lists; ndcg, map and mrr are near": """
        dcg dcgscore filtereddcg err pre precisionat recallat retrievalfallout retrievalhitrate retrievalprecision
        retrievalrprecision retrievalrecall retrievalrecallatfixedprecision hitrate
        hitratio hits hr averagegain pairaccuracy hit recallatk precisionatk rprec bpref
        xendcgmart""",
    "it is the share of residuals above a size, which lossctl does not have": "numerrors",
    "it compares sums, or counts of a group, not rows": "ctrfactor groupquantile loglikelihoodofprediction",
    "it has weights of its own, which a table of predictions does not hold": """
        adaptivelogsoftmaxwithloss linearcrossentropyloss linearcrossentropy""",
    "it aligns sequences, which a table of predictions does not hold": "ctc ctcloss ctclosswithforwardprobs",
    "it makes a loss of a function that is given in code": """
        makefenchelyoungloss combination userperobjmetric userquerywisemetric""",
    "it makes targets; the losses have a parameter label_smoothing": "smoothlabels",
    "it is a score of texts": """
        bleu rouge meteor chrf ter cer wer bleuscore
        sacrebleuscore chrfscore rougescore squad charerrorrate worderrorrate matcherrorrate
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
    "it is a count of rows": "truepositives truenegatives falsepositives falsenegatives",
    "it learns from an interval or a censored time of a parametric law": """
        survival:aft aftnloglik survivalaft intervalregressionaccuracy""",
    "it ranks pairs while it trains, with weights of its own": """
        rank:map lambdamart yetirank stochasticfilter stochasticrank pfound""",
    "it is not here; log_cosh, huber and cauchy are of its kind": "fair fairloss",
    "it is not here; mape, rmsle and maape are of its kind": """
        rmspe exprmspe mspe mdape madape medianabsolutepercentageerror""",
    "it is not here; mase, rae and wape are of its kind": """
        rmsse owa gmae gmrae mrae marre medianabsolutescalederror meansquaredscalederror relmse""",
    "it is not here; r2, concordance and pearson are of its kind": """
        kge klinggupta klingguptaefficiency willmott dindex indexofagreement""",
    "it takes the number of features, which a table of predictions does not hold; r2 does not": """
        adjustedr2 adjr2 adjustedrsquared""",
    "it is not here; interval_score, wis and quantile are of its kind": """
        msis mpiw wql weightedquantileloss wquantileloss meanwquantileloss""",
    "it is not here; crps_ensemble is of its kind": "energyscore variogramscore",
    "it is not here; ece, mce and rmsce are of its kind": "ace adaptivecalibrationerror",
    "it is not here; asymmetric is of its kind": "asymmetriclossmultilabel asymmetriclosssinglelabel",
    "it is not here; c_index and cox are of its kind": """
        concordanceindexipcw integratedbrierscore cumulativedynamicauc briersurvival rocaucsurvival""",
    "it is not here; iou_mask, dice and dice_ce are of its kind": """
        lovaszloss lovaszhingeloss softcldiceloss hausdorffdtloss hausdorffdistance bcediceloss""",
    "it predicts means and deviations together": "rmsewithuncertainty",
    "it leaves missing targets out: drop their rows, as with --missing drop": "multirmsewithmissingvalues",
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
    def mapped(self) -> dict[str, str]:
        """The arguments that are parameters of the loss, and which."""
        return dict(WORD.findall(self.words))

    @property
    def literals(self) -> dict[str, str]:
        """The arguments that have one value in the claim."""
        words, number = WORD.sub("", self.words).strip(" ,"), self.name.partition("@")[2]
        return dict(LITERAL.findall(words)) or ({words: ""} if words else {"": number} if number else {})

    @property
    def plain(self) -> bool:
        """Whether it speaks of a function as it is, its arguments being at most the parameters of the loss."""
        return not self.sign and not self.literals

    @property
    def same(self) -> bool:
        """Whether the function as it is gives the number of the loss as it is, by the defaults of both."""
        return self.plain and self.peer.same and OTHER_DEFAULT not in self.peer.note

    def fits(self, typed: Mapping[str, str]) -> bool:
        """Whether it speaks of the function with these arguments."""
        return not self.sign and all(_same_value(typed.get(word), value) for word, value in self.literals.items())

    def text(self, typed: Mapping[str, str]) -> str:
        """Say what gives the number of the function with these arguments."""
        typed = {word: text for word, text in typed.items() if not _same_value(text, self.literals.get(word))}
        name = self.name.partition("(")[0] if typed.keys() & self.literals.keys() else self.name
        name_of, _, arguments = (self.peer.spec or self.loss.name).partition(":")
        values, strange = dict(typed_in(arguments)) if arguments else {}, []
        for word, value in (self._default | typed).items():
            param = self._param(word)
            if param is None:
                strange.append(f"its {word or value}: {OPTIONS.get(word, 'not here')}")
            else:
                values[param] = value
        spec = name_of + ":" * bool(values) + ",".join(f"{param}={value}" for param, value in values.items())
        peer = self.peer._replace(name=name, also=(), spec=spec)
        words = peer.words(self.loss.name)
        return f"{peer.library}: {words}" + "".join(f"; {text}" for text in strange if not peer.differs)

    @property
    def _default(self) -> dict[str, str]:
        """The one argument that the library sets otherwise where it is not typed."""
        value = re.match(rf"([\d.]+) {OTHER_DEFAULT}", self.peer.note)
        return {next(iter(self.mapped), self.loss.params[0].name): value[1]} if value else {}

    def _param(self, word: str) -> str | None:
        """Return the parameter that an argument of the library is; without a name its first."""
        names = [param.name for param in self.loss.params]
        name = self.mapped.get(word, word) if word else next((name for name in names[:1] if name not in GUARDS), "")
        return name if name in names else None


def _same_value(text: str | None, value: str | None) -> bool:
    """Whether an argument is typed as a claim writes it, but for quotes, case and how numbers are written."""
    if text is None or value is None:
        return False
    texts = [re.sub(r",\s*", "/", word.strip(" '\"[]")).casefold() for word in (text, value)]
    try:
        return float(texts[0]) == float(texts[1])
    except ValueError:
        return texts[0] == texts[1]


class Names:
    """The names that losses claim of other libraries."""

    def __init__(self, losses: Iterable[Loss]) -> None:
        self._leads: dict[str, list[Lead]] = {}
        self._losses: dict[str, Loss] = {}
        for loss in losses:
            self._losses.update({joined(name): loss for name in (loss.name, *loss.aliases)})
            for peer in loss.elsewhere:
                for name in (peer.name, *peer.also):
                    if call := CALL.fullmatch(name):
                        function = bare(call["function"])
                        lead = Lead(loss, peer, name, function, call["sign"] or "", call["words"] or "")
                        self._leads.setdefault(joined(function), []).append(lead)

    def leads(self, name: str, typed: Mapping[str, str] = NO_ARGUMENTS) -> list[Lead]:
        """Return the claims of a name, with or without `_score`; of each library those that fit the arguments, if any.

        A name behind the module of a library is that of the library.
        """
        word = joined(name)
        spellings = (word, f"{word}score", word.removesuffix("score"))
        leads = next((self._leads[spelling] for spelling in spellings if spelling in self._leads), [])
        library = LIBRARIES.get(name.strip().casefold().partition(".")[0], ()) if "." in name else ()
        leads = [lead for lead in leads if lead.peer.library in library] or leads
        by_library: dict[str, list[Lead]] = {}
        for lead in leads:
            by_library.setdefault(lead.peer.library, []).append(lead)
        return [lead for claims in by_library.values() for lead in _fitting(claims, typed)]

    def loss(self, name: str) -> str | None:
        """Return the loss that a name is, as it is written elsewhere, or where all claims of the function say so."""
        word = joined(name)
        if word in self._losses and all(lead.same for lead in self.leads(name)):
            return self._losses[word].name
        leads = [lead for lead in self._leads.get(word, []) if lead.plain and lead.peer.library in EXACT]
        losses = {lead.loss.name if lead.same and not PARTLY.search(lead.peer.note) else None for lead in leads}
        return losses.pop() if len(losses) == 1 and word not in GENERAL else None

    def advice(self, name: str, typed: Mapping[str, str] = NO_ARGUMENTS) -> str:
        """Say what gives the number of a name with these arguments, or why nothing does; "" where no library has it."""
        word = joined(name)
        claims = [_what_gives_it(leads, typed)] if (leads := self.leads(name, typed)) else []
        reasons = [reason for reason, names in (*MEANT.items(), *NOT_HERE.items()) if word in names.split()]
        if claims or reasons:
            return "; ".join(claims + reasons)
        if leads := self._negated(word):
            return f"a scorer that is -1 times this: {_what_gives_it(leads, NO_ARGUMENTS)}"
        return self._undressed(word, typed)

    def _undressed(self, word: str, typed: Mapping[str, str]) -> str:
        """Say which loss a word is but for what libraries put around it: `maeloss`, `multiclassrecall`, `ndcgat10`."""
        match = DRESS.fullmatch(word)
        if not match or match["name"] == word:
            return ""
        loss = self._losses.get(match["name"])
        if loss is None:
            return self.advice(match["name"], typed)
        average = match["average"] or ("macro" if match["task"] in ("multiclass", "multilabel") else None)
        params = {param.name for param in loss.params}
        is_score = loss.direction == "max" or loss.family in OVERLAPS
        is_other = is_score and match["kind"] and ("loss" in match["kind"]) == (loss.direction == "max")
        if is_other or (match["average"] and "average" not in params) or (match["k"] and "k" not in params):
            return ""
        words = {"average": average, "k": (match["k"] or "").strip("k")} | dict(typed)
        pieces = [f"{word}={text}" for word, text in words.items() if text and word in params]
        return f"did you mean {loss.name + ':' * bool(pieces) + ','.join(pieces)!r}?"

    def of_arguments(self, name: str, typed: Mapping[str, str], word: str) -> str:
        """Say what gives the number of a name where claims speak of its arguments, or what one is here."""
        leads = [lead for lead in self.leads(name, typed) if lead.literals and lead.fits(typed)]
        return _what_gives_it(leads, typed) if leads else OPTIONS.get(word, "")

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
        """Return the claims of the function behind a scorer of scikit-learn (neg_...)."""
        function = word.removeprefix(NEGATED)
        scores = [*self.leads(function), *self.leads(f"{function}loss")] if word.startswith(NEGATED) else []
        return [lead for lead in scores if lead.peer.library == "scikit-learn"]


def _fitting(leads: list[Lead], typed: Mapping[str, str]) -> list[Lead]:
    """Return the claims that speak of a function with most of the arguments, all if none does."""
    fitting = [lead for lead in leads if lead.fits(typed)]
    most = max((len(lead.literals) for lead in fitting), default=0)
    return [lead for lead in fitting if len(lead.literals) == most] or leads


def _what_gives_it(leads: list[Lead], typed: Mapping[str, str]) -> str:
    """Say what gives the number; where several losses do, which data they take tells them apart."""
    same = [lead for lead in leads if not lead.peer.differs]
    if not same:
        return "none here gives its number; " + "; ".join(
            f"near {lead.loss.name}, {lead.text(typed)}" for lead in leads
        )
    exact = "; ".join(dict.fromkeys(lead.text(typed) for lead in same))
    data = {f"{lead.sign if lead.sign in REFLECTED else ''}{lead.loss.name}": lead.loss.forms[0].name for lead in same}
    if len(set(data.values())) == 1:
        return exact
    return f"it is {', '.join(f'{name} for {form} data' for name, form in data.items())}; to the digit, {exact}"


def arguments(loss: Loss) -> dict[str, str]:
    """Return what other libraries call the parameters of a loss: `quantile:alpha=0.9` is `quantile:q=0.9`."""
    names = {param.name for param in loss.params}
    meant = {word: {param} for word, param in SPELLINGS.items() if param in names and word not in names}
    for peer in loss.elsewhere:
        for word, param in WORD.findall(peer.name):
            if param in names and word not in names:
                meant.setdefault(word, set()).add(param)
    return {word: next(iter(params)) for word, params in meant.items() if len(params) == 1}


TWO_SLIPS = 8  # letters of a word in which two slips are likelier than another word
HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")
ABBREVIATION = re.compile(r"[^iouy_]{1,5}")  # mse, mae, mape and such are one letter from each other


def misspelt(word: str, names: Iterable[str]) -> str:
    """Return ` (did you mean 'x'?)` for the name that a slip or two makes of a word, of each part between underscores.

    Of an abbreviation only another order of its letters, or one typed twice, is a slip; the first letter is right.
    """
    key = HUMP.sub("_", word.strip()).casefold().replace("-", "_")
    slips = {name: count for name in names if (count := _slips_of_parts(key, name)) is not None}
    return f" (did you mean {min(slips, key=slips.__getitem__)!r}?)" if slips else ""


def _slips_of_parts(word: str, name: str) -> int | None:
    """Count the slips that make a name of a word, None where it is another word."""
    if word[:1] != name[:1] and word[1::-1] != name[:2]:
        return None
    parts = [text.split("_") for text in (word, name)]
    if len(parts[0]) != len(parts[1]):
        parts = [["".join(texts)] for texts in parts]
    total = 0
    for typed, meant in zip(*parts, strict=True):
        most = 1 if len(typed) < TWO_SLIPS and sorted(typed) != sorted(meant) else 2
        if abs(len(typed) - len(meant)) > most or (ABBREVIATION.fullmatch(meant) and set(typed) != set(meant)):
            return None
        count = _slips(typed, meant)
        if count > most:
            return None
        total += count
    return total


def _slips(word: str, name: str) -> int:
    """Count the letters that are left out, put in, changed or exchanged to make a name of a word."""
    before: list[int] = []
    above = list(range(len(name) + 1))
    for row, letter in enumerate(word, 1):
        line = [row]
        for place, other in enumerate(name, 1):
            cost = min(above[place] + 1, line[-1] + 1, above[place - 1] + (letter != other))
            if row > 1 and place > 1 and letter == name[place - 2] and other == word[row - 2]:
                cost = min(cost, before[place - 2] + 1)
            line.append(cost)
        before, above = above, line
    return above[-1]
