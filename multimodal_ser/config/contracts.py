"""What a component of each kind promises: what it must have, and what it may have beside that.

A component inherits from none of these classes. What it must have is annotated or abstract here,
and the contract tests ask for it. What it may have stands here with its default, and
`registry.find` gives the default to every component that has no member of its own, so that no
stage has to ask whether it is there.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, Literal, Protocol

import numpy as np

from multimodal_ser.types import MODALITIES, ConfigError, Features, Fold, Input

Options = Mapping[str, Any]
STAGES = ("input", "frames", "batch")


class Component(Protocol):
    """What a component of any kind may have."""

    @staticmethod
    def missing(options: Options) -> list[str]:
        """What must be fetched or installed before it works, one sentence each."""
        return []

    @staticmethod
    def search_space() -> dict[str, Any]:
        """Option → what a search tries there, where the config does not say it."""
        return {}

    @staticmethod
    def weights_hash(options: Options) -> str | None:
        """The hash of its pre-trained weights; None for a component without any."""
        return None


class Encoder(Component, Protocol):
    """An `nn.Module` that turns sound or text into frames or vectors.

    BATCH: the most inputs in a batch, and the most samples or characters of it with padding (None:
    no limit). ACCELERATED: the same on an accelerator; None: it always runs on the CPU. FRAMES: it
    gives a vector for every frame where it has no option `pool`. TRAINED: it always learns, because
    it has no weights before. TUNABLE: it has weights that can be trained further. store: the type
    of its numbers in the cache. rate: of the sound that it reads, in Hz; None: any. mixed: how many
    layers it gives, where their weights are learned; 0: one layer.

    fit: learns from the inputs of the rows that train, before anything else does; None: it needs
    nothing of them. labels: options → the labels of its own head; None: it has no head. frames:
    options → whether it has frames that can be blanked out, of an encoder that is TRAINED; None: it
    has none, nor samples that could be mixed.
    """

    modality: str
    dim: int
    VERSION: int
    VALUE_LIBRARIES: Sequence[str]
    BATCH: ClassVar[tuple[int, int | None]] = (16, None)
    ACCELERATED: ClassVar[tuple[int, int | None] | None] = None
    FRAMES: ClassVar[bool] = False
    TRAINED: ClassVar[bool] = False
    TUNABLE: ClassVar[bool] = False
    store: str = "float32"
    rate: int | None = None
    mixed: int = 0
    fit: Callable[[Sequence[Input]], None] | None = None
    labels: Callable[[Options], list[str]] | None = None
    frames: Callable[[Options], bool] | None = None

    @abstractmethod
    def prepare(self, inputs: Sequence[Input]) -> Mapping[str, Any]:
        """Tensors of a batch, made in a worker."""

    @abstractmethod
    def forward(self, **tensors: Any) -> Features:
        """The frames of a batch."""

    @staticmethod
    def columns(options: Options) -> int | None:
        """The largest number of columns that it gives, at least 1.

        None: one for each word of the corpus, which only a learner of sparse rows can take.
        """
        return 1

    @staticmethod
    def light(options: Options) -> bool:
        """Whether its row is small and needs one clip only, so that decoding a clip may make it."""
        return False

    @staticmethod
    def stored(options: Options) -> dict[str, Any]:
        """The options under which its rows are kept in the cache."""
        return dict(options)

    def remarks(self, inputs: Sequence[Input]) -> list[str]:
        """What a reader must know of each input (such as: it was cut); blank where nothing."""
        return [""] * len(inputs)


class Recognizer(Component, Protocol):
    """An engine that writes down what is spoken; its batches are bounded as those of an encoder."""

    VERSION: int
    VALUE_LIBRARIES: Sequence[str]
    BATCH: ClassVar[tuple[int, int | None]] = (16, None)
    ACCELERATED: ClassVar[tuple[int, int | None] | None] = None
    store: str = "float32"

    @abstractmethod
    def transcribe(self, inputs: Sequence[Input]) -> list[Any]:
        """A `Transcript` for each input, None where it has no sound."""


class Augment(Component, Protocol):
    """A random change of the rows that train.

    STAGE: what it changes: an input, the frames of an encoder, or a batch. modality: whose; None:
    of both. files_hash: options → the hash of the files that it reads; None: it reads none.
    """

    STAGE: Literal["input", "frames", "batch"]
    modality: str | None
    files_hash: Callable[[Options], str] | None = None


class Fusion(Component, Protocol):
    """An `nn.Module` that joins the features of several encoders: `[B, H]`, or `[B, M, H]`.

    merge: how the decisions of M modalities are merged; None: it joins them before. With `weights`
    it has a parameter of that name, `[M]`.
    """

    out_dim: int
    merge: str | None = None


class Learner(Component, Protocol):
    """What is fitted on the features of a fold and gives scores.

    VECTORS: a learner of frames takes a vector as one frame. OWN_HEAD: it scores with the head that
    its encoder brings, so it has no fusion; the last four functions say what that means. model: the
    network that it trains; None: it trains none. loop: what trains it in epochs; None: nothing
    does. settled: states of several models, options → the options that they chose on dev; None: it
    chooses nothing there.
    """

    WANTS: Literal["pooled", "frames", "batches"]
    TARGETS: Sequence[str]
    VECTORS: ClassVar[bool] = False
    OWN_HEAD: ClassVar[bool] = False
    model: Any = None
    loop: Any = None
    settled: Callable[[Iterable[Mapping[str, bytes]], Options], dict[str, Any]] | None = None

    @abstractmethod
    def fit(self, train: Any, dev: Any, *, seed: int) -> None:
        """Learn from a `Dataset`; dev only selects."""

    @abstractmethod
    def predict(self, data: Any) -> dict[str, Any]:
        """Target → probabilities `[N, C]`, or numbers `[N, 1]`."""

    @staticmethod
    def without_unknown(
        method: Any, targets: Mapping[str, Any], folds: Sequence[Fold]
    ) -> list[Fold]:
        """The folds without the rows of unknown classes, if the learner leaves these rows out."""
        return list(folds)

    @staticmethod
    def notices(method: Any, targets: Mapping[str, Any]) -> list[str]:
        """Sentences that a reader of its numbers must know."""
        return []

    @staticmethod
    def heads(method: Any, classes: Mapping[str, Sequence[str]]) -> Mapping[str, Any] | None:
        """Target → the module behind the encoder; None: a new head, which is trained."""
        return None

    @staticmethod
    def unit(values: np.ndarray) -> tuple[float, float]:
        """The centre and spread by which it scales a target of numbers `[N]`; NaN is unknown."""
        return float(np.nanmean(values)), float(np.nanstd(values)) or 1.0


CONTRACTS: dict[str, type] = {
    "asr": Recognizer,
    "augment": Augment,
    "encoders": Encoder,
    "fusion": Fusion,
    "learners": Learner,
}


def completed(kind: str, name: str, component: Any) -> Any:
    """The component with the default of every optional member that it does not have.

    ConfigError for an augmentation with an unknown stage or modality, because it would never act.
    """
    for contract in reversed(CONTRACTS[kind].__mro__) if kind in CONTRACTS else ():
        for member, default in vars(contract).items():
            optional = not member.startswith("_") and not getattr(
                default, "__isabstractmethod__", False
            )
            if optional and contract.__module__ == __name__ and not hasattr(component, member):
                setattr(component, member, default)
    if kind == "augment" and not (
        component.STAGE in STAGES and component.modality in (None, *MODALITIES)
    ):
        raise ConfigError(
            f"augment: '{name}' has STAGE '{component.STAGE}' and modality '{component.modality}'; "
            f"allowed: {', '.join(STAGES)}; {', '.join(MODALITIES)}, None"
        )
    return component
