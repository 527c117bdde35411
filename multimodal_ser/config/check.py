"""Contradictions: what each part of a config allows and the whole config does not."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from multimodal_ser.config import registry
from multimodal_ser.config.experiment import (
    Augment,
    EncoderPart,
    Expect,
    Experiment,
    Labels,
    Part,
    Tune,
    Tuning,
)
from multimodal_ser.config.method import can_be_mixed, encodings_of, has_frames, touches
from multimodal_ser.config.outputs import Output
from multimodal_ser.corpus.emotion_space import DIMENSIONS
from multimodal_ser.evaluation import metrics
from multimodal_ser.protocol import splits
from multimodal_ser.types import ConfigError, nearest


def contradictions(experiment: Experiment, card: bool) -> Iterator[str]:
    """Every contradiction of this experiment, one sentence each."""
    yield from _of_outputs(experiment)
    yield from _of_expect(experiment.expect, experiment.outputs)
    yield from _of_labels(experiment.labels, experiment.outputs)
    if experiment.refit and experiment.within:
        yield "refit, within: dev cannot train and be chosen by"
    if experiment.within and experiment.folds not in (None, [experiment.within.fold]):
        yield "folds, within: within.fold names the one that is seen"
    if experiment.encoders or not card:
        yield from _of_learning(experiment)
        yield from _of_tuning(experiment.tune, experiment.folds, experiment.seeds)
        yield from _of_cost(experiment.tune, experiment.learner)


def _of_expect(expect: Sequence[Expect], outputs: Mapping[str, Output]) -> Iterator[str]:
    """The numbers that a document reports must belong to something in the config."""
    first = next(iter(outputs))
    for place, report in enumerate(expect):
        key, target = f"expect.{place}", report.target or first
        if report.protocol not in (None, *splits.names()):
            near = nearest(report.protocol, splits.names())
            protocols = ", ".join(splits.names())
            yield f"{key}.protocol: '{report.protocol}' is none{near} ({protocols}; null: not said)"
        if target not in outputs:
            near = nearest(target, [*outputs])
            yield f"{key}.target: no output is named '{target}'{near}"
            continue
        kind = outputs[target].kind
        for name in report.values:
            if metrics.kind(name) != kind:
                yield f"{key}: '{name}' scores {metrics.kind(name)}, and {target} is {kind}"


def _of_labels(labels: Labels | None, outputs: Mapping[str, Output]) -> Iterator[str]:
    """A table of emotion words is named, but no output takes its dimensions."""
    columns = {output.column or name for name, output in outputs.items()}
    if labels and labels.space and not columns & set(DIMENSIONS):
        names = ", ".join(DIMENSIONS)
        yield f"labels.space: no output is of {names}, so it would have no effect"


def _of_outputs(experiment: Experiment) -> Iterator[str]:
    kinds = {output.kind for output in experiment.outputs.values()}
    for name in experiment.metrics:
        if metrics.kind(name) not in kinds:
            yield f"metrics: '{name}' scores {metrics.kind(name)}, and no output is of that kind"
    for target, output in experiment.outputs.items():
        if not experiment.metrics_of(target):
            usual = ", ".join(metrics.DEFAULTS[output.kind])
            yield f"outputs.{target}: no metric fits its kind (for example {usual})"
        if output.soft and (output.column or target) != "label":
            yield f"outputs.{target}.soft: raters' votes (votes:<label>) are of the column label"
    yield from _of_balance(experiment.balance, experiment.balance_beta, experiment.outputs)


def _of_balance(balance: str, beta: float | None, outputs: Mapping[str, Output]) -> Iterator[str]:
    if beta is not None and balance != "effective":
        yield "balance_beta: only balance: effective has one"
    if balance == "none":
        return
    targets = [name for name, output in outputs.items() if output.kind == "classes"]
    if not targets:
        yield "balance: only classes can be balanced, and no output is of that kind"
    elif outputs[targets[0]].adjustment:
        yield (
            f"outputs.{targets[0]}.adjustment: balance: {balance} makes up for rare classes "
            "already; take one of the two"
        )


def _of_learning(experiment: Experiment) -> Iterator[str]:
    if not experiment.encoders:
        yield "encoders: name at least one, such as {audio: {name: mfcc}}"
    learner = registry.find("learners", experiment.learner.name)
    yield from _of_learner(experiment, learner)
    yield from _of_fusion(experiment, learner)
    select = experiment.learner.options.get("select")
    kinds = {output.kind for output in experiment.outputs.values()}
    if select not in (None, "loss") and metrics.kind(select) not in kinds:
        yield f"learner.select: no output is of the kind that '{select}' scores"
    is_read = dict.fromkeys(("audio", "text"), False)
    for key, part in experiment.encoders.items():
        encoder = registry.find("encoders", part.name)
        is_read[encoder.modality] = True
        if learner.WANTS != "batches" and (
            part.attended or part.options.get("layer") == "weighted"
        ):
            yield f"encoders.{key}: weighted layers and pool: attention are learned by neural alone"
        if learner.WANTS != "pooled" and encoder.columns(part.options) is None:
            needs = f"'{experiment.learner.name}' needs dense columns"
            yield f"encoders.{key}: {needs}; set max_features or svd"
    yield from _of_text(experiment.text_source, experiment.asr, experiment.modalities)
    yield from _of_training(experiment, learner)
    yield from _of_augmentation(experiment, learner)
    dropped = experiment.learner.options.get("modality_dropout", 0)
    if dropped and len(experiment.modalities) < 2:
        yield "learner.modality_dropout: the encoders read one modality, so there is none to drop"
    if experiment.shuffle and not is_read[experiment.shuffle]:
        yield f"shuffle: no encoder reads {experiment.shuffle}, so it would have no effect"


def _of_tuning(tune: Tune, folds: Sequence[int] | None, seeds: Sequence[int]) -> Iterator[str]:
    if tune.tune_on is not None and folds and tune.tune_on not in folds:
        yield f"tune.tune_on: fold {tune.tune_on} is not run; folds: {folds}"
    one_fold = tune.tune_on is not None or tune.nested or len(folds or ()) == 1
    if tune.objective == "lower" and one_fold and not tune.inner and len(seeds) == 1:
        yield (
            "tune.objective: lower needs several numbers a trial, and there is one fold and one "
            "seed; set inner, more seeds, or objective: mean"
        )


def _of_cost(tune: Tune, learner: Part) -> Iterator[str]:
    if tune.cost == "parameters" and registry.find("learners", learner.name).WANTS != "batches":
        yield f"tune.cost: the parameters of '{learner.name}' are not counted; take seconds"


def _of_fusion(experiment: Experiment, learner: Any) -> Iterator[str]:
    """A fusion must stand where several encoders are joined, and only where something uses it."""
    own = learner.OWN_HEAD
    if own:
        epochs = experiment.learner.options.get("epochs", 0)
        yield from _of_own_head(experiment.encoders, experiment.outputs, epochs)
    name, uses = experiment.learner.name, learner.WANTS == "batches" and not own
    if experiment.fusion and not uses:
        joins = {"frames": "reads one encoder", "pooled": "joins the pooled features itself"}
        why = "has its own head" if own else joins[learner.WANTS]
        yield (
            f"fusion: '{name}' {why}, so it would have no effect. Remove fusion:, or use "
            "learner: {name: neural}"
        )
    if uses and not experiment.fusion:
        yield f"fusion: '{name}' needs one (for example concat)"


def _of_own_head(
    encoders: Mapping[str, EncoderPart], outputs: Mapping[str, Output], epochs: int
) -> Iterator[str]:
    """Contradictions of a checkpoint that is scored with its own head."""
    if len(encoders) > 1:
        yield "encoders: name one checkpoint; `mser ensemble` joins the runs of several"
    if [output.kind for output in outputs.values()].count("classes") > 1:
        yield "outputs: the checkpoint's labels are the classes of one target"
    for target, output in outputs.items():
        if output.head != "linear":
            yield f"outputs.{target}.head: the checkpoint has its own"
    for key, part in encoders.items():
        yield from _of_checkpoint(key, part, epochs)


def _of_checkpoint(key: str, part: EncoderPart, epochs: int) -> Iterator[str]:
    if registry.find("encoders", part.name).labels is None:
        able = "speech_classifier or text_classifier"
        yield f"encoders.{key}: '{part.name}' has no head of its own; take {able}"
    if epochs and not part.trainable:
        yield f"encoders.{key}.trainable: nothing would learn in learner.epochs: {epochs}"
    if part.normalize != "none":
        yield f"encoders.{key}.normalize: its own head wants what it says as it is"


def _of_training(experiment: Experiment, learner: Any) -> Iterator[str]:
    """Contradictions of encoders that learn."""
    trains = experiment.learner.options.get("epochs") != 0
    if not trains and (experiment.augment.steps or experiment.balance != "none"):
        yield "augment, balance: nothing is trained with learner.epochs: 0"
    for key, part in experiment.encoders.items():
        if part.trainable and not trains:
            yield f"encoders.{key}.trainable: set learner.epochs, or leave it out"
        if part.trainable:
            yield from _of_finetuning(key, part)
        elif part.finetune != Tuning():
            yield f"encoders.{key}.finetune: nothing of it learns; set trainable: true"
        if not part.trainable and not registry.find("encoders", part.name).TRAINED:
            continue
        if learner.WANTS != "batches":
            yield (
                f"encoders.{key}: '{experiment.learner.name}' trains no encoder; "
                "take learner: {name: neural}, or another encoder"
            )
        if part.normalize != "none":
            yield f"encoders.{key}.normalize: what an encoder gives changes while it learns"


def _of_finetuning(key: str, part: EncoderPart) -> Iterator[str]:
    encoder, tuned = registry.find("encoders", part.name), part.finetune
    if encoder.TRAINED:
        yield f"encoders.{key}.trainable: '{part.name}' always learns; leave it out"
    elif not encoder.TUNABLE:
        yield f"encoders.{key}.trainable: '{part.name}' has no weights that could learn"
        return
    if part.options.get("precision", "fp32") != "fp32":
        yield f"encoders.{key}.precision: it learns in that of learner.optimizer.precision"
    if tuned.cnn and (encoder.modality != "audio" or part.trainable is not True):
        yield f"encoders.{key}.finetune.cnn: it is for trainable: true and models of speech"
    usual, set_here = Tuning(), ("rank", "alpha", "dropout")
    if part.trainable != "lora" and any(getattr(tuned, n) != getattr(usual, n) for n in set_here):
        yield f"encoders.{key}.finetune: rank, alpha and dropout are of trainable: lora"


def _of_augmentation(experiment: Experiment, learner: Any) -> Iterator[str]:
    """An augmentation that would change nothing is an error."""
    augment = experiment.augment
    if augment.copies and not augment.steps:
        yield "augment.copies: there are no steps, so nothing would change"
    if augment.steps and not augment.copies and learner.WANTS != "batches":
        yield (
            f"augment: '{experiment.learner.name}' sees each row once; set copies, or take "
            "learner: {name: neural}"
        )
    for place, step in enumerate(augment.steps):
        stage = registry.find("augment", step.name).STAGE
        if augment.copies and stage != "input":
            yield f"augment.steps.{place}: '{step.name}' changes batches, of which no copy is kept"
        elif step.options.get("p") == 0 or not touches(experiment.encoders, step.name):
            yield f"augment.steps.{place}: '{step.name}' would change nothing that an encoder reads"
        try:
            registry.build("augment", step.name, step.options)
        except ConfigError as error:
            yield f"augment.steps.{place}: {error}"
    encodings = encodings_of(experiment.encoders, augment)
    changing = [key for key, how in encodings.items() if how.fresh or augment.copies]
    for key in changing if augment.steps else ():
        if experiment.encoders[key].normalize == "speaker":
            yield f"encoders.{key}.normalize: changed clips must not tell how a speaker sounds"
    if not augment.copies:
        yield from _of_mixing(experiment.encoders, augment)


def _of_mixing(encoders: Mapping[str, EncoderPart], augment: Augment) -> Iterator[str]:
    """Rows of a batch can be mixed only where an encoder that learns reads numbers."""
    stages = {registry.find("augment", step.name).STAGE for step in augment.steps}
    for key, encoding in encodings_of(encoders, augment).items() if "batch" in stages else ():
        if encoding.learns and not can_be_mixed(encoders[key]):
            yield f"augment: rows of '{encoding.name}' (encoders.{key}) cannot be mixed"


def _of_text(source: str, recogniser: Part | None, modalities: Collection[str]) -> Iterator[str]:
    if source != "reference" and recogniser is None:
        yield f"text_source: '{source}' needs a recogniser, asr: {{name: whisper}}"
    if recogniser and "text" not in modalities:
        yield "asr: no encoder reads text, so it would have no effect"


def _of_learner(experiment: Experiment, learner: Any) -> Iterator[str]:
    """The learner must be able to predict the outputs, and to balance them as the config asks."""
    name, able = experiment.learner.name, ", ".join(learner.TARGETS)
    for target, output in experiment.outputs.items():
        if output.range and not learner.OWN_HEAD:
            yield f"outputs.{target}.range: only learner: {{name: pretrained}} uses it"
        if output.kind not in learner.TARGETS:
            yield f"outputs.{target}: '{name}' predicts {able}, no {output.kind}"
    if learner.WANTS != "batches":
        yield from _unused(experiment.outputs, name)
        try:
            registry.build("learners", name, experiment.learner.options)
        except ConfigError as error:
            yield f"learner: {error}"
    if learner.WANTS == "frames":
        yield from _of_frames(experiment.encoders, name, learner)
    if learner.WANTS != "batches" and len(experiment.outputs) > 1:
        yield f"outputs: '{name}' predicts one target; learner: {{name: neural}} takes several"
    if learner.WANTS != "batches" and experiment.balance == "sampler":
        yield f"balance: '{name}' does not draw batches; use weights"


def _of_frames(encoders: Mapping[str, EncoderPart], name: str, learner: Any) -> Iterator[str]:
    """A learner of frames needs one encoder, and one that gives what the learner reads.

    A learner with VECTORS takes a pooled vector as a single frame.
    """
    if len(encoders) > 1:
        yield (
            f"encoders: '{name}' reads one, and there are {', '.join(encoders)}; keep "
            "one of them, or take learner: {name: svm}, which joins pooled features"
        )
    if learner.VECTORS:
        return
    for key, part in encoders.items():
        learns = part.trainable or registry.find("encoders", part.name).TRAINED
        if not learns and not has_frames(part):
            way = "set pool: none" if "pool" in part.options else "take one of frames (mfcc)"
            yield (
                f"encoders.{key}: '{name}' reads frames in their order, and this gives one vector "
                f"an utterance; {way}, or take learner: {{name: gmm}}"
            )


def _unused(outputs: Mapping[str, Output], learner_name: str) -> Iterator[str]:
    """Options of learning in batches that stand beside a learner without batches."""
    for target, output in outputs.items():
        used = {"head": output.layers, "loss": output.loss == "focal"}
        names = [*(name for name, is_used in used.items() if is_used), *output.of_classes_alone]
        for name in names:
            yield (
                f"outputs.{target}.{name}: '{learner_name}' has its own, so it would "
                "have no effect; learner: {name: neural} has it"
            )
