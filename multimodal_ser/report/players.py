"""Sound of wrong utterances: the corpus is loaded again, and the sound goes into the page."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import TYPE_CHECKING

from multimodal_ser.config import read
from multimodal_ser.corpus import audio
from multimodal_ser.report.cells import Clip
from multimodal_ser.runs import prepare
from multimodal_ser.types import MserError, Utterance

if TYPE_CHECKING:
    from multimodal_ser.runs.records import Record

_RATE = 16000
_LONGEST = 10.0  # seconds of one clip: a page is read, not archived


def clips_of(record: Record, ids: Sequence[str], players: int) -> tuple[dict[str, Clip], str]:
    """Return id → clip, and an empty text; or no clips, and the reason why there are none.

    Only the first `players` of the ids get sound. The config of the run may name built-in
    components only: reading a report must not run code.
    """
    try:
        experiment = read.check(record.config, source="config.yaml", allow_code=False, ran=True)
        utterances = {
            utterance.id: utterance for utterance in prepare.load_corpus(experiment).utterances()
        }
        sounds = {
            utterance_id: _uri(utterances[utterance_id])
            for utterance_id in ids[:players]
            if utterance_id in utterances
        }
    except MserError as error:
        return {}, str(error)
    return {
        utterance_id: Clip(utterances[utterance_id].text or "", sounds.get(utterance_id, ""))
        for utterance_id in ids
        if utterance_id in utterances
    }, ""


def _uri(utterance: Utterance) -> str:
    """The sound as a data URI; empty if the utterance has no sound."""
    if utterance.audio is None:
        return ""
    samples, rate = audio.read(utterance)
    start = audio.resample(samples[: round(_LONGEST * rate)], rate, _RATE)
    return "data:audio/wav;base64," + base64.b64encode(audio.wav(start, _RATE)).decode()
