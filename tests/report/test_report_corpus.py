"""The page of a corpus: what it measures, whom it shows, and that it is whole, safe and small."""

import base64
import io
import re

import numpy as np
import pandas as pd
import pytest
import soundfile
import typer
from typer.testing import CliRunner

from multimodal_ser.cli import pictures
from multimodal_ser.config import registry
from multimodal_ser.config.experiment import Part
from multimodal_ser.corpus.audio import read
from multimodal_ser.report.corpus import figures, page, sound
from multimodal_ser.types import DataError, Utterance
from tests.helpers.tones import RATE, tones_config
from tests.report.test_report import BAD, Page


def corpus_of(folder, rows, **columns):
    """A corpus of a manifest, without a config."""
    pd.DataFrame(rows).assign(**columns).to_csv(folder / "own.csv", index=False)
    return registry.build("datasets", "manifest", {"root": str(folder), "path": "own.csv"})


def looked(corpus, **options):
    return page.look(corpus, protocol("kfold", folds=3, **options))


def protocol(name, **options):
    raw = {"protocol": {"name": name, **options}}
    return Part.model_validate(raw["protocol"])


@pytest.fixture(scope="module")
def quiet(tmp_path_factory):
    """A second of tone between two of silence, half a second of zeros, and no sound at all."""
    folder = tmp_path_factory.mktemp("quiet")
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)
    gap = np.zeros(2 * RATE)
    soundfile.write(folder / "tone.wav", np.concatenate([gap, tone, gap]), RATE)
    soundfile.write(folder / "zeros.wav", np.zeros(RATE // 2), RATE)
    return folder


def test_every_segment_is_measured_with_and_without_its_silence(quiet):
    found = sound.measure(
        [
            Utterance("tone", quiet / "tone.wav"),
            Utterance("bare"),
            Utterance("part", quiet / "tone.wav", start=2.0, end=2.5),
            Utterance("zeros", quiet / "zeros.wav"),
        ],
        workers=1,
    )
    assert found["seconds"].tolist()[::2] == [5.0, 0.5]
    assert found.loc[0, "trimmed"] == pytest.approx(1.0, abs=0.6), "frames are a quarter second"
    assert found.loc[2, "trimmed"] == 0.5
    assert found.loc[1].isna().all()
    assert found.loc[3].tolist() == [0.5, 0.0, RATE, 1.0], "zeros are silence from end to end"
    assert found.loc[0, "silent"] == 0


def test_the_silence_is_that_of_librosa_at_30_decibels(tones):
    import librosa

    corpus = registry.build("datasets", "manifest", {"root": str(tones), "path": "table.csv"})
    some = corpus.utterances()[:5]
    found = sound.measure(some, workers=1)
    for one, kept in zip(some, found["trimmed"], strict=True):
        samples, rate = read(one)
        assert kept == len(librosa.effects.trim(samples, top_db=30)[0]) / rate


def test_all_segments_that_cannot_be_read_are_named(tmp_path):
    for name in ("one", "two"):
        (tmp_path / f"{name}.wav").write_bytes(b"nothing")
    broken = [Utterance(name, tmp_path / f"{name}.wav") for name in ("one", "two")]
    with pytest.raises(DataError, match=r"2 segments cannot be read:\n  one: .*\n  two: "):
        sound.measure(broken, workers=1)


@pytest.mark.parametrize("count", [1, 7, 300, 4321])
def test_an_envelope_touches_the_extremes(count):
    samples = np.random.default_rng(count).uniform(-0.2, 0.1, count).astype(np.float32)
    low, high = sound.envelope(samples, 300)
    assert len(low) == len(high) == 300
    assert (low <= high).all()
    peak = np.abs(samples).max()
    assert low.min() == pytest.approx(samples.min() / peak)
    assert high.max() == pytest.approx(samples.max() / peak)


def test_a_tone_is_a_line_in_its_band_of_the_spectrogram():
    time = np.arange(2 * sound.RATE) / sound.RATE
    found = sound.log_mel(np.sin(2 * np.pi * 2000 * time).astype(np.float32))
    loudest = found.mean(1).argmax()
    share = figures.mel(2000) / figures.mel(sound.RATE / 2)
    assert loudest == pytest.approx(share * 64, abs=1)
    assert (found.min(), found.max()) == (-80, 0)


@pytest.mark.parametrize("samples", [np.zeros(5000), np.ones(3), np.zeros(20 * 16000)])
def test_a_spectrogram_of_anything_is_finite_and_narrow(samples):
    found = sound.log_mel(samples.astype(np.float32))
    assert np.isfinite(found).all()
    assert found.shape[0] == 64
    assert found.shape[1] <= 310


def test_the_image_can_be_read_and_has_the_lightest_cell_where_it_is_loudest():
    from matplotlib.image import imread

    levels = np.zeros((4, 6), dtype=np.uint8)
    levels[1, 5] = 255
    found = imread(io.BytesIO(figures.png(levels)))[..., :3].sum(2)
    assert found.shape == (4, 6)
    assert np.unravel_index(found.argmax(), found.shape) == (1, 5)
    assert len(np.unique(found)) == 2


def test_the_page_of_a_corpus_is_whole_and_asks_for_nothing(tones):
    corpus = registry.build("datasets", "manifest", {"root": str(tones), "path": "table.csv"})
    source = page.page(looked(corpus))
    found = Page(source)
    assert all(link.startswith(("#", "data:audio/wav;base64,")) for link in found.links)
    assert not re.search(r"(?:src|href)=\"(?!#|data:)|url\(|@import", source)
    assert found.tags.count("audio") == 3, "one a class"
    assert found.tags.count("image") == 3
    words = " ".join(found.words)
    for name in ("Durations", "Words", "Classes against columns", "Probes of label", "same group"):
        assert name in words
    assert "36 utterances, 6 speakers, 3 classes" in words


def test_the_pictures_are_small(tones):
    corpus = registry.build("datasets", "manifest", {"root": str(tones), "path": "table.csv"})
    source = page.page(looked(corpus), players=5)
    images = re.findall(r"data:image/png;base64,([\w+/=]+)", source)
    assert len(images) == 5
    assert all(len(base64.b64decode(one)) < 40_000 for one in images)
    without = re.sub(r"base64,[\w+/=]+", "", source)
    assert len(without) < 200_000


def test_players_hold_no_more_than_80_seconds_together(quiet):
    long = [Utterance(str(n), quiet / "tone.wav") for n in range(40)]
    found = sound.clips(long)
    assert sum(one.shown for one in found) <= 80.1
    assert all(one.seconds == 5 for one in found)
    assert [one.shown for one in sound.clips(long[:2])] == [5, 5]


def test_no_name_of_a_corpus_is_run(tmp_path):
    rows = [
        {
            "id": f"{BAD[0]}{n}",
            "text": f"{BAD[n % 4]} {n}",
            "label": BAD[n % 4],
            "speaker": f"{BAD[0]} {n % 5}",
            "place": BAD[n % 3],
            BAD[0]: BAD[n % 2],
            f"votes:{BAD[0]}": n % 3,
            "votes:calm": 2,
        }
        for n in range(40)
    ]
    source = page.page(looked(corpus_of(tmp_path, rows)))
    found = Page(source)
    assert found.tags.count("script") == 1
    assert "<script>alert(1)</script>" not in source
    assert any("alert(1)" in word for word in found.words)


def test_text_with_numbers_and_without_classes_has_a_page(tmp_path):
    rows = [
        {"id": f"u{n}", "text": f"sentence {n}", "valence": 1 + n / 10, "group": f"d{n % 9}"}
        for n in range(60)
    ]
    words = " ".join(Page(page.page(looked(corpus_of(tmp_path, rows)))).words)
    assert "no classes, no sound" in words
    assert "Probes of valence" in words
    assert "Classes against columns" not in words
    assert "Durations" not in words


def test_a_corpus_without_labels_or_numbers_has_a_page(tones):
    table = pd.read_csv(tones / "table.csv").drop(columns="label")
    source = page.page(looked(corpus_of(tones, table)))
    assert Page(source).tags.count("audio") == 4
    assert "No test utterance has a label to look up." in source


def test_sound_without_text_and_labels_that_some_rows_lack(tones):
    table = pd.read_csv(tones / "table.csv").drop(columns="text")
    table.loc[:3, "label"] = None
    words = " ".join(Page(page.page(looked(corpus_of(tones, table)))).words)
    assert "4 utterances have no label" in words
    assert "0 transcripts" in words


def test_a_protocol_that_cannot_cut_the_corpus_is_a_sentence(tones):
    corpus = registry.build("datasets", "manifest", {"root": str(tones), "path": "table.csv"})
    view = page.look(corpus, protocol("official"))
    source = page.page(view)
    assert "The protocol official cannot cut this corpus" in source
    assert "Probes of" not in source


def test_the_parts_of_one_cut_are_counted(tones):
    corpus = registry.build("datasets", "manifest", {"root": str(tones), "path": "table.csv"})
    view = page.look(corpus, protocol("ordered", train=0.5, dev=0.5))
    assert view.tested_by == "part"
    assert view.tested.value_counts().to_dict() == {"test": 18, "train": 9, "dev": 9}


def test_every_row_of_repeated_folds_is_counted_once(tones):
    corpus = registry.build("datasets", "manifest", {"root": str(tones), "path": "table.csv"})
    view = looked(corpus, repeats=2)
    assert len(view.folds) == 6
    assert view.tested.value_counts().sum() == 36
    assert set(view.tested) == {"fold 0", "fold 1", "fold 2"}


def test_raters_are_described_where_there_are_votes(tmp_path):
    rows = [
        {"id": f"u{n}", "text": f"t{n}", "label": "joy" if n % 2 else "calm", "speaker": f"s{n}",
         "votes:joy": 2 if n % 2 else 1, "votes:calm": 1 if n % 2 else 2}
        for n in range(12)
    ]  # fmt: skip
    found = Page(page.page(looked(corpus_of(tmp_path, rows))))
    place = found.cells.index("left-out rater: accuracy")
    assert found.cells[place + 1] == "0.333", "two votes face a tie, the third is alone"


def test_shown_are_the_ids_asked_for_then_one_of_each_class_in_turn(tones):
    corpus = registry.build("datasets", "manifest", {"root": str(tones), "path": "table.csv"})
    view = looked(corpus)

    def ids(show, players):
        return list(view.table["id"].iloc[page.chosen(view, show, players)])

    assert ids([], None) == ["s0-joy-0", "s0-neutral-0", "s0-sadness-0"]
    assert ids([], 4) == ["s0-joy-0", "s0-neutral-0", "s0-sadness-0", "s0-joy-1"]
    assert ids(["s5-joy-1"], None) == ["s5-joy-1"]
    assert ids(["s0-joy-0"], 1) == ["s0-joy-0", "s0-joy-1"]
    assert ids([], 0) == []
    assert len(ids([], 99)) == 36


def test_an_id_that_is_not_there_is_refused_with_the_nearest(tones):
    corpus = registry.build("datasets", "manifest", {"root": str(tones), "path": "table.csv"})
    with pytest.raises(
        DataError, match=r"1 ids to show are not .*\n  s0-joi-0; did you mean s0-jo"
    ):
        page.chosen(looked(corpus), ["s0-joi-0"], None)


def test_the_verb_writes_the_page_and_says_where(tones):
    import yaml

    written = tones / "tones.yaml"
    written.write_text(yaml.safe_dump(tones_config(tones)))
    app = typer.Typer()
    pictures.add_to(app)
    done = CliRunner().invoke(app, [str(written), "name=other", "--show", "s0-joy-0, s1-joy-0"])
    assert done.exit_code == 0, done.output
    page = tones / "runs" / "other" / "corpus.html"
    assert f"page: {page}" in done.output
    assert "36 utterances" in done.output
    assert Page(page.read_text("utf-8")).tags.count("audio") == 2

    elsewhere = tones / "deep" / "page.html"
    done = CliRunner().invoke(app, [str(written), "--players", "0", "--output", str(elsewhere)])
    assert done.exit_code == 0, done.output
    assert Page(elsewhere.read_text("utf-8")).tags.count("audio") == 0


def test_the_first_lines_say_how_even_the_classes_are(tones):
    table = pd.read_csv(tones / "table.csv")
    even = page.page(looked(corpus_of(tones, table)))
    assert "every class has 12 utterances" in even
    odd = table.drop(index=table.index[table["label"] == "joy"][:3])
    skewed = page.page(looked(corpus_of(tones, odd)))
    assert "neutral is the commonest class (36.4%), joy the rarest (27.3%)" in skewed
