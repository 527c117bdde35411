"""Wrong utterances to listen to: the corpus is loaded again, the sound goes into the page."""

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
_LONGEST = 10.0  # seconds; a page is read, not archived


def clips_of(record: Record, ids: Sequence[str], players: int) -> tuple[dict[str, Clip], str]:
    """Clips of the ids, the first `players` of them with sound; else the reason why not.

    A run's config may name built-in components only: reading a report must not run code.
    """
    try:
        experiment = read.check(record.config, source="config.yaml", allow_code=False, ran=True)
        utterances = {
            utterance.id: utterance for utterance in prepare.load_corpus(experiment).utterances()
        }
        heard = {name: _uri(utterances[name]) for name in ids[:players] if name in utterances}
    except MserError as error:
        return {}, str(error)
    return {
        name: Clip(utterances[name].text or "", heard.get(name, ""))
        for name in ids
        if name in utterances
    }, ""


def _uri(utterance: Utterance) -> str:
    """Empty where the utterance has no sound."""
    if utterance.audio is None:
        return ""
    samples, rate = audio.read(utterance)
    short = audio.resample(samples[: round(_LONGEST * rate)], rate, _RATE)
    return "data:audio/wav;base64," + base64.b64encode(audio.wav(short, _RATE)).decode()
