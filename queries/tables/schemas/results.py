"""The tables of a trainer's run, which stand in the folder of the run."""

import pyarrow as pa

from queries.tables.table import PAIR_ID, boolean, column, float64, int32, int64, string, table

table(
    "overlap",
    "one row per picture of an evaluation set",
    column("eval_set", string, "name of the evaluation set's folder"),
    column("image", string, "the picture's name in its set"),
    column("class_name", string, "its class"),
    column("correct", boolean, "the run's model is right, zero-shot; null: not asked", null=True),
    column("overlap", boolean, "a training picture is near it, and it shows something"),
    column("uniform", boolean, "it shows nothing, as a black frame"),
    column("nearest_distance", int32, "bits of 64 between it and the nearest training picture"),
    column(
        "nearest_pair_id",
        int64,
        "the nearest training pair, the lowest id of equals; null: taken down",
        null=True,
        of_pair=True,
    ),
    column("score", float64, "of the learned detector and the most alike; null: pHash", null=True),
    column(
        "score_pair_id",
        int64,
        "the most alike training pair; null: pHash, or taken down",
        null=True,
        of_pair=True,
    ),
)
table(
    "neighbour",
    "one row per picture of an evaluation set and training pair near it",
    column("eval_set", string, "name of the evaluation set's folder"),
    column("image", string, "the picture's name in its set"),
    column("pair_id", int64, "the training pair", of_pair=True),
    column("distance", int32, "bits of 64 between their perceptual hashes; null: far", null=True),
    column("score", float64, "of the learned detector; null: it did not find it", null=True),
    column("agreement", float64, "of their pixels, laid on each other; null: as score", null=True),
)
table(
    "evaluation",
    "one row per task, evaluation set and figure",
    column("task", string, "zeroshot, retrieval, probe, fewshot or robustness"),
    column("eval_set", string, "name of the evaluation set's folder, or of a pair of them"),
    column("name", string, "of the figure, such as top1"),
    column("value", float64, "a rate, 0..1"),
    column("low", float64, "where its 95% interval begins"),
    column("high", float64, "where its 95% interval ends"),
    column("chance", float64, "what guessing would give"),
    column("n", int64, "answers that it is the rate of"),
)
table(
    "class_result",
    "one row per task, evaluation set and class",
    column("task", string, "zeroshot or probe"),
    column("eval_set", string, "name of the evaluation set's folder"),
    column("class_number", int64, "the class's label, from 0"),
    column("class_name", string, "its name"),
    column("n", int64, "pictures of it that were evaluated"),
    column("name", string, "accuracy; average_precision where pictures have several classes"),
    column("value", float64, "a rate, 0..1; null: no picture of it", null=True),
)
table(
    "prediction",
    "one row per task and picture of an evaluation set",
    column("task", string, "zeroshot or probe"),
    column("eval_set", string, "name of the evaluation set's folder"),
    column("image", string, "the picture's name in its set"),
    column("class_number", int64, "its class's label; null: several classes", null=True),
    column("class_name", string, "its class; null: several classes", null=True),
    column("predicted_number", int64, "the label of the class that the model finds best"),
    column("predicted_name", string, "the class that the model finds best"),
    column("correct", boolean, "that class is the picture's, or one of its several"),
    column("rank", int64, "place of its class among the best five, from 1; null: none", null=True),
)
table(
    "clip_score",
    "one row per kept pair: how well the run's model finds caption and picture to agree",
    PAIR_ID,
    column("clip_score", pa.float32(), "cosine, -1..1; null: unreadable picture", null=True),
)
table(
    "place",
    "one row per embedded pair: where its picture stands on the plane of the embeddings, by PCA",
    PAIR_ID,
    column("x", pa.float32(), "along the direction in which they differ most, 0 in the middle"),
    column("y", pa.float32(), "along the next such direction"),
)
table(
    "cluster",
    "one row per embedded pair: where it stands among the pairs most alike, as SemDeDup sees them",
    PAIR_ID,
    column("cluster", int32, "number of its cluster, from 0"),
    column("centre_cosine", pa.float32(), "cosine to its cluster's centre, -1..1"),
    column(
        "nearest_cosine",
        pa.float32(),
        "greatest cosine to a pair of its cluster that is farther from the centre; null: none is",
        null=True,
    ),
    column("group_number", int64, "of its near duplicates, from 0; null: it has none", null=True),
    column("kept", boolean, "nearest_cosine is at most the threshold: SemDeDup keeps it"),
)
table(
    "comparison",
    "one row per arm, evaluation set, group of classes and point of training",
    column("arm", string, "name of the arm; the baseline has no difference"),
    column("eval_set", string, "name of the evaluation set's folder"),
    column("class_group", string, "all, or head, middle or tail by compared_class"),
    column("samples_seen", int64, "by each run until then"),
    column("seeds", int64, "runs that the mean is of"),
    column("images", int64, "pictures of the set in the group"),
    column("accuracy", float64, "zero-shot top-1, 0..1: mean over seeds and pictures"),
    column("low", float64, "where its 95% interval over seeds and pictures begins"),
    column("high", float64, "where it ends"),
    column("baseline", string, "name of the arm that others are compared with"),
    column("difference", float64, "accuracy less the baseline's, same seeds, pictures", null=True),
    column("difference_low", float64, "where its 95% interval begins", null=True),
    column("difference_high", float64, "where it ends", null=True),
)
table(
    "compared_run",
    "one row per arm and seed: a run of a comparison, and what it cost",
    column("arm", string, "name of the arm"),
    column("seed", int64, "of weights and order"),
    column("data", string, "the build or WebDataset"),
    column("version", string, "the build's; of other data the digest's first digits"),
    column("condition", string, "SQL over sample; null: all pairs", null=True),
    column("pairs", int64, "to train on"),
    column("samples_seen", int64, "pairs in all batches, each as often as it was shown"),
    column("steps", int64, "batches"),
    column("decoded", int64, "pictures, each as often as it was decoded"),
    column("cpu_seconds", float64, "of training, all threads of the process"),
    column("seconds", float64, "of training, by the clock"),
)
table(
    "compared_class",
    "one row per arm, evaluation set and class",
    column("arm", string, "name of the arm"),
    column("eval_set", string, "name of the evaluation set's folder"),
    column("class_number", int64, "the class's label, from 0"),
    column("class_name", string, "its name"),
    column("pairs", int64, "of the arm, whose caption has the words of the name"),
    column("class_group", string, "head, middle or tail: thirds of the classes by baseline pairs"),
)
table(
    "compared_answer",
    "one row per arm, seed, point of training and picture of an evaluation set",
    column("arm", string, "name of the arm"),
    column("seed", int64, "of weights and order"),
    column("samples_seen", int64, "by the run until then"),
    column("eval_set", string, "name of the evaluation set's folder"),
    column("image", string, "the picture's name in its set"),
    column("class_number", int64, "its class's label"),
    column("correct", boolean, "zero-shot, the class is the first of all"),
)
