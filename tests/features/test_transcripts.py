"""Transcripts are kept by sound, language and weights, and none is decoded twice."""

import io
import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch

from multimodal_ser import run
from multimodal_ser.config import registry
from multimodal_ser.config.read import check
from multimodal_ser.corpus.corpus import About, Corpus
from multimodal_ser.corpus.datasets import manifest
from multimodal_ser.features import contents, transcripts
from multimodal_ser.features.asr import _checkpoints
from multimodal_ser.features.asr.whisper import Recognizer
from multimodal_ser.features.encode import recipe_of
from multimodal_ser.features.extraction import plan
from multimodal_ser.features.store import Recipe
from multimodal_ser.features.transcripts import TranscriptStore, damaged, error_rates
from multimodal_ser.runs.prepare import load_corpus, with_text
from multimodal_ser.types import ConfigError, Input, Transcript, Utterance
from tests.helpers.tones import tones_config, write_tones

WORKERS = 2
RECIPE = Recipe("whisper", "{}", 1, ())
ROWS = {
    "one:es": Transcript("Sí, señor\n«ya»", "Sí, señor\n«ya»", "es", 1.25, (), 0.0, -0.5, 0.9, 0.1),
    "two:": Transcript(None, "", None, 3.0, ("silence",)),
    "three:es-MX": Transcript("ja", "ja ja", "es", 2.0, ("loop", "unsure"), 1.0, -1 / 3, 2.5, 0.2),
}


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Two random Whispers that say up to six tokens."""
    folder = tmp_path_factory.mktemp("whisper")
    paths = [folder / f"tiny-{seed}.pt" for seed in (0, 1)]
    for seed, path in enumerate(paths):
        _checkpoints.write_tiny(path, seed=seed, text_context=12)
    return paths


def options(model, **changes):
    """As a config that was checked has them: complete and plain."""
    schema = registry.schema(Recognizer)
    given = {"model": str(model), "fallback": False} | changes
    return schema.model_validate(given).model_dump(mode="json")


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    """Twenty noises of 0.3 to 0.7 s at 8 kHz; the last is the first under another id."""
    folder, generator = tmp_path_factory.mktemp("sounds"), np.random.default_rng(0)
    for number in range(19):
        samples = 0.1 * generator.standard_normal(2400 + 160 * number)
        soundfile.write(folder / f"{number:02}.wav", samples, 8000)
    shutil.copy(folder / "00.wav", folder / "19.wav")
    return [Utterance(path.stem, path, language="es") for path in sorted(folder.glob("*.wav"))]


@pytest.fixture
def passes(monkeypatch):
    """The ids of every batch that a recogniser was given."""
    given, heard = [], transcripts.recognised

    def noted(name, options, weights, batches, *rest):
        given.extend([[one.id for one, _ in batch] for batch in batches])
        return heard(name, options, weights, batches, *rest)

    monkeypatch.setattr(transcripts, "recognised", noted)
    return given


def heard(utterances, given, root, **changes):
    rest = {"workers": WORKERS} | changes
    found = contents.audio_contents(utterances, root, workers=rest["workers"])
    return transcripts.transcribe(
        "whisper", given, utterances, found, root, **({"device": "cpu"} | rest)
    )


def stores(root):
    return sorted(path.name for path in (root / "transcripts").iterdir())


# What is decoded, and what is not


def test_the_stage_gives_what_the_recogniser_says(weights, sounds, tmp_path):
    """The recogniser is asked here, in this process and clip by clip."""
    recognizer = registry.build("asr", "whisper", options(weights[0]))
    found = heard(sounds, options(weights[0]), tmp_path)
    for utterance, one in zip(sounds, found, strict=True):
        samples, rate = soundfile.read(utterance.audio, dtype="float32")
        (alone,) = recognizer.transcribe([Input(samples, rate, language="es")])
        assert (one.text, one.flags, one.seconds) == (alone.text, alone.flags, alone.seconds)
        assert one.log_probability == pytest.approx(alone.log_probability, abs=1e-5)


def test_an_utterance_without_sound_has_no_transcript_and_keeps_its_place(
    weights, sounds, tmp_path
):
    silent = Utterance("none", text="Hola")
    found = heard([sounds[0], silent, sounds[1]], options(weights[0]), tmp_path)
    whole = heard(sounds[:2], options(weights[0]), tmp_path)
    assert found == [whole[0], None, whole[1]]


def test_one_sound_under_two_ids_is_decoded_once(weights, sounds, tmp_path, passes):
    found = heard(sounds, options(weights[0]), tmp_path)
    decoded = [one for batch in passes for one in batch]
    assert len(decoded) == 19
    assert decoded.count("00") + decoded.count("19") == 1
    assert found[0] == found[19]


def test_one_sound_said_to_be_in_two_languages_is_two(weights, sounds, tmp_path):
    both = [sounds[0], replace(sounds[0], language="de"), replace(sounds[0], language=None)]
    found = heard(both, options(weights[0]), tmp_path)
    assert [one.language for one in found][:2] == ["es", "de"]
    assert found[0].log_probability != found[1].log_probability


def test_a_second_call_decodes_nothing(weights, sounds, tmp_path, passes):
    first = heard(sounds, options(weights[0]), tmp_path)
    assert [len(one) for one in passes] == [16, 3]
    passes.clear()
    assert heard(sounds, options(weights[0]), tmp_path) == first
    assert passes == []


def test_new_sounds_alone_are_decoded_beside_old_ones(weights, sounds, tmp_path, passes):
    """A batch is decoded when one of it is new, and old rows stay as they were."""
    first = heard(sounds[:16], options(weights[0]), tmp_path)
    passes.clear()
    found = heard(sounds, options(weights[0]), tmp_path)
    assert found[:16] == first
    assert passes == [["16", "17", "18"]]


def test_a_lost_row_comes_back_with_the_same_bits(weights, sounds, tmp_path):
    """Its batch is planned over all that is asked for, not over what is lost."""
    first = heard(sounds, options(weights[0]), tmp_path)
    (folder,) = (tmp_path / "transcripts").iterdir()
    for path in folder.glob("*.jsonl"):
        lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(b"".join(lines[1::2]))
    assert heard(sounds, options(weights[0]), tmp_path) == first


def test_every_number_is_the_same_whatever_the_number_of_workers(weights, sounds, tmp_path):
    two = heard(sounds, options(weights[0]), tmp_path / "two")
    assert heard(sounds, options(weights[0]), tmp_path / "one", workers=1) == two


def test_other_weights_in_the_same_place_are_heard_as_themselves(weights, sounds, tmp_path):
    """In one process, whose one worker still holds the recogniser that lay there before."""
    place = tmp_path / "model.pt"
    shutil.copy(weights[0], place)
    first = heard(sounds[:3], options(place), tmp_path, workers=1)
    shutil.copy(weights[1], place)
    second = heard(sounds[:3], options(place), tmp_path, workers=1)
    assert len(stores(tmp_path)) == 2
    assert second == heard(sounds[:3], options(weights[1]), tmp_path / "apart", workers=1)
    assert [one.raw for one in second] != [one.raw for one in first]


# What a store is named by


@pytest.mark.parametrize(
    "changed",
    [
        {"language": "de"},
        {"fallback": True},
        {"loops": "keep"},
        {"limits": {"level": -50.0}},
        {"limits": {"compression": 2.0}},
    ],
    ids=lambda changed: ", ".join(changed),
)
def test_another_option_is_another_store(weights, changed):
    first = recipe_of("whisper", options(weights[0]), "asr").key()
    assert recipe_of("whisper", options(weights[0], **changed), "asr").key() != first


def test_the_same_weights_in_another_place_are_found_again(weights, sounds, tmp_path, passes):
    first = heard(sounds[:3], options(weights[0]), tmp_path)
    (tmp_path / "moved").mkdir()
    shutil.copy(weights[0], tmp_path / "moved" / "other-name.pt")
    passes.clear()
    for place in (tmp_path / "moved" / "other-name.pt", tmp_path / "moved"):
        assert heard(sounds[:3], options(place), tmp_path) == first
    assert passes == []


def test_a_wrong_option_of_the_recogniser_ends_the_stage_with_its_own_error(
    weights, sounds, tmp_path
):
    """It is found in a worker."""
    with pytest.raises(ConfigError, match="'ess' is none that this model knows; did you mean es"):
        heard(sounds[:1], options(weights[0], language="ess"), tmp_path)
    with pytest.raises(ConfigError, match="no file, folder or name of Whisper"):
        heard(sounds[:1], options("nowhere"), tmp_path)


def test_the_accelerator_hears_what_the_workers_hear(weights, sounds, tmp_path, monkeypatch):
    """The way of an accelerator, with a recogniser that stays on the CPU."""
    expected = heard(sounds, options(weights[0]), tmp_path / "cpu")
    sent = []
    monkeypatch.setattr(Recognizer, "to", lambda self, device: sent.append(device) or self)
    monkeypatch.setattr(transcripts, "find_device", lambda wanted: torch.device("cuda"))
    found = heard(sounds, options(weights[0]), tmp_path / "beside", device="cuda")
    assert sent == [torch.device("cuda")]
    (folder,) = (tmp_path / "beside" / "transcripts").iterdir()
    assert len(list(folder.glob("*.jsonl"))) == 1, "a batch of up to 64"
    for one, other in zip(found, expected, strict=True):
        assert (one.text, one.flags, one.language) == (other.text, other.flags, other.language)
        assert one.seconds == other.seconds
        assert one.log_probability == pytest.approx(other.log_probability, abs=1e-5)


def test_batches_are_larger_on_an_accelerator():
    """Of 100 clips: 16 at a time on a CPU, 64 on an accelerator."""
    many = [Utterance(str(number)) for number in range(100)]
    held = [contents.Content(f"{number:03}", 1) for number in range(100)]
    sizes = {
        device: [len(one) for one in plan(Recognizer, many, held, torch.device(device))]
        for device in ("cpu", "cuda")
    }
    assert sizes == {"cpu": [16] * 6 + [4], "cuda": [64, 36]}


# The store on disk


@pytest.fixture
def store(tmp_path):
    made = TranscriptStore(tmp_path, RECIPE)
    made.put(ROWS)
    return made


def file_of(store):
    (path,) = store.folder.glob("*.jsonl")
    return path


def test_rows_come_back_as_they_were(tmp_path, store):
    assert TranscriptStore(tmp_path, RECIPE).rows == store.rows == ROWS
    assert damaged(tmp_path) == []


def test_another_recipe_sees_none_of_the_rows(tmp_path, store):
    assert TranscriptStore(tmp_path, replace(RECIPE, version=2)).rows == {}


def test_several_batches_are_several_files(tmp_path, store):
    more = {"four:": ROWS["two:"]}
    store.put(more)
    assert len(list(store.folder.glob("*.jsonl"))) == 2
    assert TranscriptStore(tmp_path, RECIPE).rows == ROWS | more


def test_a_truncated_file_keeps_its_whole_rows_and_is_reported(tmp_path, store):
    """A cut between two rows leaves no trace but the rows that are missing."""
    path = file_of(store)
    whole = path.read_bytes()
    ends = [place for place, byte in enumerate(whole) if byte == ord("\n")]
    for kept in {*range(0, len(whole), 13), *ends, *(end + 1 for end in ends)}:
        path.write_bytes(whole[:kept])
        rows = TranscriptStore(tmp_path, RECIPE).rows
        assert list(rows) == list(ROWS)[: sum(end <= kept for end in ends)], kept
        assert all(ROWS[key] == row for key, row in rows.items())
        at_an_end = kept in ends or kept - 1 in ends
        assert damaged(tmp_path) == ([] if at_an_end else [str(path)]), kept


@pytest.mark.parametrize("flip", [0x01, 0xFF])
def test_no_flipped_byte_anywhere_stops_the_store_or_changes_a_row(tmp_path, store, flip):
    path = file_of(store)
    whole = path.read_bytes()
    for position in range(len(whole)):
        spoilt = bytearray(whole)
        spoilt[position] ^= flip
        path.write_bytes(spoilt)
        rows = TranscriptStore(tmp_path, RECIPE).rows
        assert all(ROWS[key] == row for key, row in rows.items()), position
        assert len(rows) < len(ROWS) or position == len(whole) - 1, position


@pytest.mark.parametrize(
    "unknown",
    [b"", b"\n", b"\0" * 512, b"00000000\n", b"00000000 \n", b"\xff\xfe garbage \x00\n", b"{}\n"],
    ids=["empty", "line", "zeros", "checksum of nothing", "and a blank", "bytes", "JSON"],
)
def test_a_file_of_unknown_bytes_is_as_if_it_were_not_there(tmp_path, store, unknown):
    path = store.folder / "00.jsonl"
    path.write_bytes(unknown)
    assert TranscriptStore(tmp_path, RECIPE).rows == ROWS
    assert damaged(tmp_path) == [str(path)]


def test_what_a_kill_has_left_behind_is_not_read(tmp_path, store):
    left = store.folder / ".half.jsonl.0123.tmp"
    left.write_bytes(file_of(store).read_bytes())
    file_of(store).unlink()
    assert TranscriptStore(tmp_path, RECIPE).rows == {}


def test_the_recipe_lies_beside_the_rows(store):
    assert json.loads((store.folder / "recipe.json").read_text()) == RECIPE.description()


# A corpus and its texts


@pytest.fixture(scope="module")
def mixed(weights, sounds):
    """Rows with sound and text, without one, and the config's recogniser."""
    folder = sounds[0].audio.parent
    rows = [
        ("whole", "01.wav", "Qué alegría"),
        ("no text", "02.wav", None),
        ("no sound", None, "Solo letra"),
        ("blank", "03.wav", "  "),
        ("again", "04.wav", "Son las nueve"),
    ]
    table = pd.DataFrame(rows, columns=["id", "audio", "text"])
    table = table.assign(label=["joy", "joy", "sad", "sad", "joy"], speaker=list("aabbc"))
    table.to_csv(folder / "mixed.csv", index=False)
    corpus = manifest.load(root=str(folder), path="mixed.csv", language="es")
    return corpus, ("whisper", options(weights[0]))


@pytest.fixture(scope="module")
def spoken(mixed, tmp_path_factory):
    """id → what the recogniser says, straight from the stage."""
    corpus, (_, given) = mixed
    found = heard(corpus.utterances(), given, tmp_path_factory.mktemp("spoken"))
    return dict(zip(corpus.table["id"], found, strict=True))


def transcribed(mixed, source, root):
    return transcripts.transcribed(*mixed, source, root, device="cpu", workers=WORKERS)


def plain(column):
    return [None if pd.isna(one) else one for one in column]


def test_asr_where_missing_writes_what_has_sound_and_no_text(mixed, spoken, tmp_path):
    corpus, table = transcribed(mixed, "asr_where_missing", tmp_path)
    assert plain(corpus.table["text"]) == [
        "Qué alegría", spoken["no text"].text, "Solo letra", spoken["blank"].text, "Son las nueve",
    ]  # fmt: skip
    assert plain(corpus.table["text_source"]) == [
        "reference", "asr:whisper/tiny-0.pt", "reference", "asr:whisper/tiny-0.pt", "reference",
    ]  # fmt: skip
    assert list(table["id"]) == ["no text", "blank"]


def test_asr_gives_every_row_its_transcript_or_none(mixed, spoken, tmp_path):
    corpus, table = transcribed(mixed, "asr", tmp_path)
    expected = [one and one.text for one in spoken.values()]
    assert plain(corpus.table["text"]) == expected
    assert expected[2] is None, "the row without sound has lost its text"
    ours = "asr:whisper/tiny-0.pt"
    assert plain(corpus.table["text_source"]) == [ours, ours, None, ours, ours]
    assert list(table["id"]) == ["whole", "no text", "blank", "again"]
    assert plain(table["reference"]) == ["Qué alegría", None, None, "Son las nueve"]


def test_the_other_columns_and_the_given_corpus_stay_as_they_were(mixed, tmp_path):
    before = mixed[0].table.copy()
    corpus, _ = transcribed(mixed, "asr", tmp_path)
    pd.testing.assert_frame_equal(mixed[0].table, before)
    rest = [name for name in before if name not in ("text", "text_source")]
    pd.testing.assert_frame_equal(corpus.table[rest], before[rest])
    pd.testing.assert_series_equal(corpus.table.dtypes, before.dtypes)


def test_the_table_says_of_each_transcript_how_it_came_about(mixed, spoken, tmp_path, weights):
    _, table = transcribed(mixed, "asr", tmp_path)
    row = table.set_index("id").loc["whole"]
    said = spoken["whole"]
    assert list(table.columns)[:3] == ["id", "text", "text_source"]
    for name in ("text", "raw", "language", "seconds", "temperature"):
        assert row[name] == asdict(said)[name]
    assert row["flags"] == "; ".join(said.flags)
    for name in ("log_probability", "compression", "no_speech"):
        assert row[name] == pytest.approx(asdict(said)[name], abs=1e-5)
    assert row["reference"] == "Qué alegría"
    assert (row["engine"], row["model"]) == ("whisper", str(weights[0]))
    assert row["checksum"] == Recognizer.weights_hash({"model": str(weights[0])})
    assert json.loads(row["options"])["fallback"] is False


def test_where_nobody_speaks_there_is_no_text_and_so_no_source(mixed, tmp_path):
    corpus, (name, given) = mixed
    deaf = (name, given | {"limits": given["limits"] | {"level": 0.0}})
    found, table = transcribed((corpus, deaf), "asr", tmp_path)
    assert plain(found.table["text"]) == plain(found.table["text_source"]) == [None] * 5
    assert list(table["flags"]) == ["silence"] * 4
    assert plain(table["text"]) == [None] * 4
    assert plain(table["text_source"]) == ["asr:whisper/tiny-0.pt"] * 4


def test_a_corpus_that_lacks_nothing_gives_an_empty_table(mixed, tmp_path, passes):
    corpus, part = mixed
    whole = replace(corpus, table=corpus.table.assign(text="Ya"))
    found, table = transcribed((whole, part), "asr_where_missing", tmp_path)
    pd.testing.assert_frame_equal(found.table, whole.table)
    assert len(table) == 0
    assert table["flags"].str.split("; ").explode().value_counts().empty
    assert error_rates(found, table) == {}
    assert passes == []


def experiment_of(mixed, **changes):
    corpus, (name, given) = mixed
    root = str(corpus.root)
    raw = tones_config(corpus.root) | {
        "corpus": {"name": "manifest", "root": root, "path": "mixed.csv", "language": "es"},
        "asr": {"name": name} | given,
    }
    return check({key: one for key, one in (raw | changes).items() if one is not None})


@pytest.mark.parametrize(
    ("changes", "written"),
    [
        ({}, ["no text", "blank"]),
        ({"text_source": "asr_where_missing"}, ["no text", "blank"]),
        ({"text_source": "asr"}, ["whole", "no text", "blank", "again"]),
        ({"text_source": "reference"}, None),
        ({"asr": None}, None),
    ],
    ids=["by default", "where missing", "asr", "reference", "no recogniser"],
)
def test_the_config_says_whose_text_is_read(mixed, tmp_path, changes, written):
    experiment = experiment_of(mixed, cache={"dir": str(tmp_path)}, **changes)
    corpus = load_corpus(experiment)
    found, table = with_text(experiment, corpus)
    if written is None:
        assert (found, table) == (corpus, None)
    else:
        assert list(table["id"]) == written


def test_what_contradicts_itself_is_refused(mixed):
    audio = {"audio": {"name": "mfcc"}}
    for changes, match in (
        ({"asr": None, "text_source": "asr"}, "text_source: 'asr' needs a recogniser"),
        ({"asr": None, "text_source": "asr_where_missing"}, "needs a recogniser"),
        ({"encoders": audio}, "asr: no encoder reads text, so it would have no effect"),
        ({"text_source": "whisper"}, "'reference', 'asr' or 'asr_where_missing'"),
        ({"asr": {"name": "whispr"}}, r"asr.name: .*did you mean whisper\?"),
        ({"asr": {"name": "whisper", "modle": "tiny"}}, r"did you mean asr.model\?"),
        ({"asr": {"name": "whisper", "limits": {"levle": 3}}}, r"did you mean asr.limits.level\?"),
        ({"asr": {"name": "whisper", "loops": "drop"}}, "asr.loops: .*'cut' or 'keep'"),
    ):
        with pytest.raises(ConfigError, match=match):
            experiment_of(mixed, **changes)


def test_a_run_reads_the_transcripts_and_writes_their_table(weights, tmp_path, passes):
    """36 tones; the words that the config's table gives them are thrown away."""
    write_tones(tmp_path)
    raw = tones_config(
        tmp_path,
        encoders={"text": {"name": "tfidf"}},
        fusion=None,
        learner={"name": "svm"},
        asr={"name": "whisper"} | options(weights[0], language="es"),
        text_source="asr",
        cache={"dir": str(tmp_path / "cache")},
    )
    done = run({key: one for key, one in raw.items() if one is not None})
    table = pd.read_csv(done.folder / "transcripts.csv", keep_default_na=False)
    manifest_table = pd.read_csv(tmp_path / "table.csv")
    assert list(table["id"]) == list(manifest_table["id"])
    assert list(table["reference"]) == list(manifest_table["text"])
    assert set(table["text_source"]) == {"asr:whisper/tiny-0.pt"}
    assert sorted(one for batch in passes for one in batch) == sorted(table["id"])
    read = done.prepared.corpus.table.set_index("id")
    assert read["text"][table["id"]].fillna("").tolist() == table["text"].tolist()
    assert done.prepared.contents("text")[0] == contents.text_content(
        done.prepared.corpus.utterances()[0]
    )


# Word errors


def corpus_of(rows):
    table = pd.DataFrame(rows, columns=["id", "speaker"]).assign(audio="a.wav", label="joy")
    complete = table.assign(group=table["speaker"], corpus="made", text=None)
    return Corpus(About("made", "", "", ""), complete, Path(), ("joy",))


def test_error_rates_are_pooled_over_the_rows_with_a_reference():
    """Words: 1 substitution of 4, 1 insertion to 2, all 3 deleted where nothing was heard: 5 / 9.

    Characters with blanks: `la casa es roja` → `la cosa es roja`, 1 of 15; `no sé` → `no sé ya`,
    3 of 5; `ven ya hoy`, all 10 of 10: 14 / 30.
    """
    written = pd.DataFrame(
        {
            "id": ["a", "b", "c", "d"],
            "text": ["La cosa es roja.", "no sé ya", None, "de nadie"],
            "reference": ["La casa es roja", "No sé", "¡Ven ya, hoy!", None],
        }
    )
    corpus = corpus_of([("a", "x"), ("b", "y"), ("c", "z"), ("d", "z"), ("e", "z")])
    found = error_rates(corpus, written)
    assert found["WER"][0] == pytest.approx(5 / 9)
    assert found["CER"][0] == pytest.approx(14 / 30)
    for value, low, high in found.values():
        assert low < value < high


def test_the_interval_is_from_whole_clusters():
    """Two speakers, one heard without a fault and one not at all: each resample of the two gives
    0, 1/2 or 1, so the interval spans them; ten unlike speakers are more certain.
    """

    def width(speakers):
        rows = [(str(number), speakers[number]) for number in range(40)]
        said = ["ya" if number % 2 else "no" for number in range(40)]
        written = pd.DataFrame({"id": [row for row, _ in rows], "text": said, "reference": "no"})
        value, low, high = error_rates(corpus_of(rows), written)["WER"]
        assert value == 0.5
        return low, high

    assert width([str(number % 2) for number in range(40)]) == (0, 1)
    low, high = width([str(number) for number in range(40)])
    assert 0.3 < low < 0.5 < high < 0.7


def test_without_references_there_are_no_rates():
    written = pd.DataFrame({"id": ["a"], "text": ["ya"], "reference": [None]})
    assert error_rates(corpus_of([("a", "x")]), written) == {}


# Progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def clips(count, seconds):
    return [Transcript("ya", "ya", "es", seconds)] * count


def test_progress_tells_how_far_it_is_and_how_much_faster_than_speech(monkeypatch, capsys):
    """16 clips of 5 s in 4 s are 20 audio-seconds per second; then 20 in 5 s, 100 s of sound."""
    now = iter([0.0, 4.0, 5.0, 5.0])
    monkeypatch.setattr(transcripts.time, "monotonic", lambda: next(now))
    monkeypatch.setattr(transcripts.sys, "stderr", terminal := Terminal())
    progress = transcripts._Progress(20)
    progress.see(clips(16, 5.0))
    progress.see(clips(4, 5.0))
    progress.close()
    first, second, last = terminal.getvalue().removeprefix("\r").split("\r")
    assert first.startswith("transcribed 16 of 20 utterances, 80 s of sound at 20.0 audio-seconds")
    assert second.startswith("transcribed 20 of 20 utterances, 100 s of sound at 20.0 audio")
    assert last.endswith("per second\n")


def test_without_a_terminal_a_line_comes_every_half_minute_and_at_the_end(monkeypatch, capsys):
    now = iter([0.0, 10.0, 31.0, 40.0, 41.0])
    monkeypatch.setattr(transcripts.time, "monotonic", lambda: next(now))
    progress = transcripts._Progress(3)
    for _ in range(3):
        progress.see(clips(1, 1.0))
    progress.close()
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(",")[0] for line in lines] == [
        "transcribed 2 of 3 utterances",
        "transcribed 3 of 3 utterances",
    ]


def test_a_call_that_decodes_nothing_says_nothing(weights, sounds, tmp_path, capsys):
    heard(sounds[:2], options(weights[0]), tmp_path)
    assert "transcribed 2 of 2 utterances" in capsys.readouterr().err
    heard(sounds[:2], options(weights[0]), tmp_path)
    assert capsys.readouterr().err == ""
