"""The feature store: keys, round trips, damage, several writers, pruning."""

import dataclasses
import os
import resource
import subprocess
import sys
import time

import numpy as np
import pytest

from multimodal_ser.features.store import Recipe, Store, default_root, inventory, prune, verify
from multimodal_ser.features.transcripts import TranscriptStore
from multimodal_ser.features.transcripts import damaged as damaged_transcripts
from multimodal_ser.files import write_atomically
from multimodal_ser.types import DataError, Transcript

RECIPE = Recipe("mfcc", '{"hop": 256, "n_mfcc": 13}', 1, ("numpy", "soxr"))
OTHER = {
    "component": "log_mel",
    "options": '{"hop": 256, "n_mfcc": 20}',
    "version": 2,
    "libraries": ("numpy",),
    "precision": "bfloat16",
    "source": "abc",
}
ROWS = {
    "one": np.array([[1, 2]], np.float32),
    "two": np.array([[3, 4], [5, 6], [7, 8]], np.float32),
    "none": np.zeros((0, 2), np.float32),
}
FILL = """
import sys
from pathlib import Path
import numpy as np
from multimodal_ser.features.store import Recipe, Store
store = Store(Path(sys.argv[1]), Recipe("mfcc", "{}", 1, ()))
for first in range(int(sys.argv[2]), 60, 1):
    rows = range(first, first + 3)
    store.put({str(row): np.full((row % 4 + 1, 2), row, np.float32) for row in rows})
    store.refresh()
"""


@pytest.fixture
def store(tmp_path):
    made = Store(tmp_path, RECIPE)
    made.put(ROWS)
    return made


def shard_of(store):
    (shard,) = store.folder.glob("*.safetensors")
    return shard


def left_unused(store, days):
    then = time.time() - days * 86400
    os.utime(store.folder / "recipe.json", (then, then))


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(Recipe)])
def test_the_key_changes_with_every_field(field):
    assert dataclasses.replace(RECIPE, **{field: OTHER[field]}).key() != RECIPE.key()


def test_the_key_does_not_depend_on_the_order_of_options_or_libraries():
    same = dataclasses.replace(
        RECIPE, options='{"n_mfcc": 13, "hop": 256}', libraries=("soxr", "numpy")
    )
    assert same.key() == RECIPE.key()


@pytest.mark.parametrize(
    ("installed", "same"), [("2.4.9", True), ("2.5.1", False), ("3.4.1", False)]
)
def test_the_key_knows_major_and_minor_of_a_library(monkeypatch, installed, same):
    monkeypatch.setattr("multimodal_ser.features.store.version", lambda name: "2.4.1")
    before = RECIPE.key()
    monkeypatch.setattr("multimodal_ser.features.store.version", lambda name: installed)
    assert (RECIPE.key() == before) is same


def test_rows_of_any_length_come_back_as_they_were(store):
    found = store.get(list(ROWS))
    assert found.keys() == ROWS.keys()
    for key, row in ROWS.items():
        assert found[key].dtype == np.float32
        np.testing.assert_array_equal(found[key], row)


def test_only_the_rows_asked_for_come_back(store):
    store.put({"three": np.array([[9, 9]], np.float32)})
    assert store.get(["three", "one"]).keys() == {"three", "one"}
    assert "four" not in store


def test_a_transposed_row_comes_back_as_it_was(tmp_path):
    row = np.arange(6, dtype=np.float32).reshape(2, 3).T
    store = Store(tmp_path, RECIPE)
    store.put({"row": row})
    np.testing.assert_array_equal(Store(tmp_path, RECIPE).get(["row"])["row"], row)


def test_a_store_that_is_opened_again_has_its_rows(tmp_path, store):
    again = Store(tmp_path, RECIPE)
    assert all(key in again for key in ROWS)
    np.testing.assert_array_equal(again.get(["two"])["two"], ROWS["two"])


def test_another_recipe_sees_none_of_the_rows(tmp_path, store):
    assert "one" not in Store(tmp_path, dataclasses.replace(RECIPE, version=2))


def test_two_open_stores_see_each_others_rows_after_a_refresh(tmp_path):
    first, second = Store(tmp_path, RECIPE), Store(tmp_path, RECIPE)
    first.put({"a": ROWS["one"]})
    second.put({"b": ROWS["two"]})
    for one in (first, second):
        one.refresh()
        found = one.get(["a", "b"])
        np.testing.assert_array_equal(found["a"], ROWS["one"])
        np.testing.assert_array_equal(found["b"], ROWS["two"])


def checked(folder):
    """A store opened by somebody who wants all of its rows."""
    found = Store(folder, RECIPE)
    found.drop_damaged(list(ROWS))
    return found


@pytest.mark.parametrize("kept", [0, 4, 8, 60, 0.5, -1])
def test_a_truncated_shard_is_reported_then_removed_and_its_rows_are_absent(tmp_path, store, kept):
    shard = shard_of(store)
    whole = shard.read_bytes()
    shard.write_bytes(whole[: int(len(whole) * kept) if kept == 0.5 else kept])
    (line,) = verify(tmp_path)
    assert line.startswith(f"{shard}: ")
    opened = checked(tmp_path)
    assert not any(key in opened for key in ROWS)
    assert not shard.exists()
    assert verify(tmp_path) == []


def test_a_flipped_byte_of_a_feature_is_reported_then_removed(tmp_path, store):
    shard = shard_of(store)
    data = bytearray(shard.read_bytes())
    data[data.index(ROWS["two"].tobytes()) + 3] ^= 1
    shard.write_bytes(data)
    assert verify(tmp_path) == [f"{shard}: its checksum does not match"]
    assert "one" not in checked(tmp_path)
    assert not shard.exists()


@pytest.mark.parametrize("flip", [0x01, 0x0F, 0xFF])
def test_no_flipped_byte_anywhere_stops_the_store_or_changes_a_row(tmp_path, store, flip):
    shard = shard_of(store)
    whole = shard.read_bytes()
    for position in range(len(whole)):
        damaged = bytearray(whole)
        damaged[position] ^= flip
        shard.write_bytes(damaged)
        opened = checked(tmp_path)
        known = [key for key in ROWS if key in opened]
        for key, row in opened.get(known).items():
            np.testing.assert_array_equal(row, ROWS[key], err_msg=f"byte {position}")


def test_damage_costs_only_the_rows_of_its_shard(tmp_path, store):
    damaged = shard_of(store)
    store.put({"three": ROWS["one"]})
    damaged.write_bytes(b"")
    opened = checked(tmp_path)
    assert "one" not in opened
    np.testing.assert_array_equal(opened.get(["three"])["three"], ROWS["one"])


def test_rows_lost_to_damage_can_be_put_again(tmp_path, store):
    shard_of(store).write_bytes(b"damaged")
    opened = checked(tmp_path)
    opened.put(ROWS)
    np.testing.assert_array_equal(Store(tmp_path, RECIPE).get(["two"])["two"], ROWS["two"])


def test_what_a_kill_left_behind_is_no_shard(tmp_path, store):
    shard = shard_of(store)
    (store.folder / f".{shard.name}.0123.tmp").write_bytes(shard.read_bytes()[:50])
    assert verify(tmp_path) == []
    assert inventory(tmp_path)[0]["shards"] == 1
    np.testing.assert_array_equal(Store(tmp_path, RECIPE).get(["one"])["one"], ROWS["one"])


def test_two_processes_that_fill_one_store_lose_nothing(tmp_path):
    command = [sys.executable, "-c", FILL, str(tmp_path)]
    writers = [subprocess.Popen([*command, first]) for first in ("0", "10")]
    assert [writer.wait(timeout=60) for writer in writers] == [0, 0]
    store = Store(tmp_path, Recipe("mfcc", "{}", 1, ()))
    found = store.get([str(row) for row in range(62)])
    for row in range(62):
        expected = np.full((row % 4 + 1, 2), row, np.float32)
        np.testing.assert_array_equal(found[str(row)], expected)
    assert verify(tmp_path) == []


def test_a_file_is_written_with_its_folders_and_replaced_whole(tmp_path):
    path = tmp_path / "a" / "b.json"
    write_atomically(path, b"a long first version")
    write_atomically(path, b"second")
    assert path.read_bytes() == b"second"
    assert list(path.parent.iterdir()) == [path]


def test_the_old_file_stays_when_the_disk_cannot_take_the_new(tmp_path):
    path = tmp_path / "file"
    write_atomically(path, b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(DataError, match=r"cannot write .*file: File too large"):
            write_atomically(path, bytes(5000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_target_that_cannot_be_replaced_leaves_nothing_behind(tmp_path):
    (tmp_path / "taken").mkdir()
    with pytest.raises(DataError, match=r"cannot write .*taken"):
        write_atomically(tmp_path / "taken", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_a_folder_that_cannot_be_made_is_an_error_without_a_traceback(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match="cannot write"):
        write_atomically(tmp_path / "file" / "below" / "x.json", b"new")


def test_a_cache_that_cannot_be_made_is_an_error_without_a_traceback(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match=r"cannot write .*file"):
        Store(tmp_path / "file", RECIPE)


def test_the_inventory_says_what_a_store_holds(tmp_path, store):
    left_unused(store, days=3)
    (row,) = inventory(tmp_path)
    assert row["store"] == f"features/{RECIPE.key()}"
    assert row["options"] == {"hop": 256, "n_mfcc": 13}
    assert row["bytes"] == shard_of(store).stat().st_size
    assert row["days_unused"] == pytest.approx(3, abs=0.01)


def test_prune_removes_only_what_was_not_used_for_so_long(tmp_path, store):
    recent = Store(tmp_path, dataclasses.replace(RECIPE, version=2))
    left_unused(store, days=10)
    left_unused(recent, days=2)
    assert prune(tmp_path, days=5) == [f"features/{RECIPE.key()}"]
    assert not store.folder.exists()
    assert recent.folder.exists()


def test_opening_a_store_counts_as_use(tmp_path, store):
    left_unused(store, days=10)
    Store(tmp_path, RECIPE)
    assert prune(tmp_path, days=5) == []
    assert "one" in Store(tmp_path, RECIPE)


def test_prune_removes_old_leftovers_but_not_a_file_that_is_being_written(tmp_path, store):
    old, new = store.folder / ".old.tmp", store.folder / ".new.tmp"
    for left in (old, new):
        left.write_bytes(b"half")
    two_hours_ago = time.time() - 7200
    os.utime(old, (two_hours_ago, two_hours_ago))
    prune(tmp_path, days=5)
    assert (old.exists(), new.exists()) == (False, True)


def test_a_cache_that_does_not_exist_yet_is_empty_and_sound(tmp_path):
    assert inventory(tmp_path / "none") == verify(tmp_path / "none") == []
    assert prune(tmp_path / "none", days=0) == []


def test_the_cache_lies_where_the_environment_says(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("MSER_CACHE", str(tmp_path / "own"))
    assert default_root() == tmp_path / "own"
    monkeypatch.delenv("MSER_CACHE")
    assert default_root() == tmp_path / "xdg" / "multimodal_ser"


def test_opening_a_store_reads_indices_alone_and_whoever_wants_rows_checks_their_shards(
    tmp_path, store, monkeypatch
):
    read = []
    monkeypatch.setattr("multimodal_ser.features.store.damaged", lambda shard: read.append(shard))
    other = shard_of(store)
    store.put({"three": ROWS["one"]})
    opened = Store(tmp_path, RECIPE)
    assert read == []
    opened.drop_damaged(["one", "absent"])
    assert read == [other]


def test_all_layers_and_half_precision_come_back_as_they_were(tmp_path):
    rows = {
        "a": np.arange(12, dtype=np.float16).reshape(2, 3, 2),
        "b": np.ones((1, 3, 2), np.float16),
    }
    Store(tmp_path, RECIPE).put(rows)
    found = Store(tmp_path, RECIPE).get(["b", "a"])
    for key, row in rows.items():
        assert found[key].dtype == np.float16
        np.testing.assert_array_equal(found[key], row)


def test_a_remark_stays_with_its_row(tmp_path, store):
    store.put({"cut": ROWS["one"]}, {"cut": "truncated"})
    assert store.remarks == Store(tmp_path, RECIPE).remarks == {"cut": "truncated"}


def test_transcripts_are_listed_checked_and_pruned_like_features(tmp_path):
    recipe = dataclasses.replace(RECIPE, component="whisper", libraries=("numpy",))
    kept = TranscriptStore(tmp_path, recipe)
    kept.put({"one": Transcript("hola", "hola", "es"), "two": Transcript(None, "", None)})
    (row,) = inventory(tmp_path)
    assert (row["store"], row["shards"]) == (f"transcripts/{recipe.key()}", 1)
    assert damaged_transcripts(tmp_path) == []
    (file,) = kept.folder.glob("*.jsonl")
    file.write_bytes(file.read_bytes().replace(b"hola", b"holi", 1))
    assert damaged_transcripts(tmp_path) == [str(file)]
    assert set(TranscriptStore(tmp_path, recipe).rows) == {"two"}
    assert prune(tmp_path, days=0) == [f"transcripts/{recipe.key()}"]
    assert inventory(tmp_path) == []
