"""Corpora that are known by name, and what a config is told that names one."""

import pytest

from multimodal_ser.cli.inventory import Kind, list_components
from multimodal_ser.config import registry
from multimodal_ser.config.read import check
from multimodal_ser.corpus import known
from multimodal_ser.corpus.validation import COLUMNS
from multimodal_ser.types import ConfigError

TABLE = known.table()
NAMES = {
    "EMO-DB", "SAVEE", "RECOLA", "SEMAINE", "eNTERFACE'05", "IEMOCAP", "FAU Aibo", "BAUM-1",
    "Oriya", "PDREC", "Assamese", "Chinese Readers Digest", "SAFE", "LEGO", "UUDB",
    "Indian English-Malayalam-Tamil", "EMOVOME", "MSP-Podcast", "CREMA-D", "TESS", "MELD", "MESD",
    "INTER1SP", "EmoFilm",
}  # fmt: skip
WITHOUT_LOADER = "recola"


def config(name, **changes):
    return {
        "name": "known",
        "corpus": {"name": name, "root": "there"},
        "encoders": {"text": {"name": "hashing"}},
        "learner": {"name": "svm"},
    } | changes


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_corpus_is_found_as_it_is_usually_written(name):
    assert known.find(name) is known.find(name.casefold())
    assert known.find(name) in TABLE.values()


def test_different_names_are_different_corpora_and_none_is_forgotten():
    assert len({known.find(name) for name in NAMES}) == len(NAMES) == len(TABLE)
    spellings = [one for entry in TABLE.values() for one in entry.spellings]
    assert len(spellings) == len(set(spellings))
    assert known.find("an unheard-of corpus") is None


@pytest.mark.parametrize("one", TABLE.values(), ids=lambda one: one.name)
def test_an_entry_is_whole_and_its_columns_are_those_of_a_manifest(one):
    facts = (one.title, one.language, one.kind, one.size, one.labels, one.licence, one.ask)
    assert all(isinstance(fact, str) and fact.strip() for fact in facts)
    assert one.kind.startswith(("acted", "elicited", "spontaneous", "not known"))
    columns = one.columns.split(", ")
    assert set(columns) <= set(COLUMNS)
    assert {"id", "audio", "speaker"} <= set(columns)
    assert {"label", "valence"} & set(columns), "something must be there to predict"


def test_the_error_of_a_config_says_whom_to_ask_and_what_a_manifest_needs():
    with pytest.raises(ConfigError, match="2 problems") as caught:
        check(config("RECOLA", learner={"name": "svm", "kernal": "rbf"}))
    said = str(caught.value)
    assert "corpus.name: RECOLA is known, but no loader for it is shipped" in said
    assert "https://diuf.unifr.ch/main/diva/recola" in said
    assert "id, audio, start, end, valence, arousal, speaker, group" in said
    assert "{name: manifest, root: recola, path: table.csv}" in said
    assert "did you mean learner.kernel?" in said


def test_where_nothing_is_known_the_error_says_so():
    with pytest.raises(ConfigError, match="nobody to ask for it is known; licence: not known"):
        check(config("oriya"))


@pytest.mark.parametrize(
    ("wrong", "right"), [("recolla", "recola"), ("ravdes", "ravdess"), ("manifes", "manifest")]
)
def test_a_name_that_is_nearly_right_is_told_the_nearest_known_one(wrong, right):
    with pytest.raises(ConfigError, match=f"'{wrong}'; did you mean {right}"):
        check(config(wrong))


def test_only_a_corpus_is_known_by_such_a_name():
    with pytest.raises(ConfigError, match=r"no encoders component is named 'recola' \(allowed"):
        registry.module("encoders", "recola")


def test_a_corpus_with_a_loader_is_never_said_to_have_none(monkeypatch):
    own = [*registry.names("datasets"), WITHOUT_LOADER]
    monkeypatch.setattr(registry, "names", lambda kind: own)
    with pytest.raises(ConfigError, match=f"'RECOLA'; did you mean {WITHOUT_LOADER}"):
        registry.module("datasets", "RECOLA")


def test_the_list_shows_every_known_corpus_in_100_columns(capsys, monkeypatch):
    own = [*registry.names("datasets"), WITHOUT_LOADER]
    monkeypatch.setattr(registry, "summary", lambda kind, name: "")
    monkeypatch.setattr(registry, "names", lambda kind: own)
    list_components(Kind.datasets)
    listing = capsys.readouterr().out.partition("known corpora:\n")[2]
    assert max(map(len, listing.splitlines())) <= 100
    marks = dict(line.split(maxsplit=1) for line in listing.splitlines() if line[2] != " ")
    assert list(marks) == sorted(TABLE)
    assert {name for name, mark in marks.items() if mark == "(its own loader)"} == {*TABLE} & {*own}
    words = " ".join(listing.split())
    for one in TABLE.values():
        assert f"labels: {one.labels} licence: {one.licence}; ask: {one.ask}" in words


def test_the_list_of_everything_only_counts_them(capsys):
    list_components(None)
    said = capsys.readouterr().out
    others = len({*TABLE} - {*registry.names("datasets")})
    assert f"and {others} more through manifest" in said
    assert "known corpora:" not in said
