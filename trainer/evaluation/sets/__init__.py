"""Evaluation sets as people have them: tars or folders, of classes, captions or pictures alone."""

from trainer.evaluation.sets.eval_set import EvalSet, Picture
from trainer.evaluation.sets.prompts import (
    BARE_TEMPLATES,
    DEFAULT_TEMPLATES,
    Templates,
    in_templates,
    read_templates,
)
from trainer.evaluation.sets.reading import (
    Choice,
    read_any_set,
    read_captioned_set,
    read_eval_set,
)

__all__ = [
    "BARE_TEMPLATES",
    "DEFAULT_TEMPLATES",
    "Choice",
    "EvalSet",
    "Picture",
    "Templates",
    "in_templates",
    "read_any_set",
    "read_captioned_set",
    "read_eval_set",
    "read_templates",
]
