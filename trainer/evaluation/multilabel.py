"""Pictures of several classes: the mean over the classes of their average precision.

Source: VOC2007 as CLIP_benchmark evaluates it: each class ranks all pictures by cosine, and its
average precision is the mean of the precisions at its own pictures.
"""

from trainer.evaluation.intervals import Figure, mean_of_rates, rate
from trainer.evaluation.predictions import Predictions, average_precisions
from trainer.settings import TrainerError


def figures(predictions: Predictions) -> dict[str, Figure]:
    """The mean average precision, and how often the best class is one of the picture's.

    The interval takes a class's average precision for a rate of its own pictures (Boyd, Eng and
    Page 2013, binomial intervals). By chance it is about the class's share of the pictures.
    """
    if predictions.cosines is None:
        raise ValueError("one class a picture, expected several")
    targets = predictions.targets()
    values, n_of_class = average_precisions(predictions.cosines, targets), targets.sum(axis=0)
    there = n_of_class > 0
    if not there.any():
        raise TrainerError("no picture of any class, expected some")
    share = float(there.mean())  # classes without a picture have 0, whatever the model
    low, high = mean_of_rates(values[there], n_of_class[there])
    chance = float(targets.mean())
    mean = Figure("mAP", float(values.mean()), low * share, high * share, chance, len(targets))
    top1 = rate("best is one of its own", predictions.top1, chance)
    return {"mean_average_precision": mean, "top1": top1}
