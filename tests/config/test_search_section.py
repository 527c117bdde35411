"""The form of `search:`: lists, ranges and branches, and every mistake in them at once."""

import warnings

import optuna
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from multimodal_ser.config.search_section import read
from multimodal_ser.config.search_space import Choice, Parameter, Range

EXAMPLE = """
learner.optimizer.lr: {low: 1.0e-5, high: 1.0e-2, log: true}
encoders.audio.layer: [6, 9, 12, last]
fusion:
  - {name: concat, hidden: [128, 256], dropout: {low: 0.0, high: 0.7}}
  - {name: cross_attention, heads: [2, 4], depth: 1}
"""


def problems(text):
    return read(yaml.safe_load(text))[1]


def test_lists_ranges_and_branches_become_parameters():
    space, wrong = read(yaml.safe_load(EXAMPLE))
    concat, cross = ("fusion.name", "concat"), ("fusion.name", "cross_attention")
    assert wrong == []
    assert space.parameters == (
        Parameter("learner.optimizer.lr", "learner.optimizer.lr", Range(1e-5, 1e-2, log=True)),
        Parameter("encoders.audio.layer", "encoders.audio.layer", Choice((6, 9, 12, "last"))),
        Parameter("fusion.name", "fusion.name", Choice(("concat", "cross_attention"))),
        Parameter("fusion[concat].hidden", "fusion.hidden", Choice((128, 256)), concat),
        Parameter("fusion[concat].dropout", "fusion.dropout", Range(0.0, 0.7), concat),
        Parameter("fusion[cross_attention].heads", "fusion.heads", Choice((2, 4)), cross),
    )
    assert space.fixed == {"fusion[concat]": {}, "fusion[cross_attention]": {"fusion.depth": 1}}


def test_sections_may_be_written_in_one_piece_or_below_each_other():
    nested, _ = read({"learner": {"optimizer": {"lr": [1, 2]}, "epochs": [3]}})
    dotted, _ = read({"learner.optimizer.lr": [1, 2], "learner.epochs": [3]})
    assert nested == dotted
    inside = {"name": "neural", "optimizer": {"lr": [1, 2], "name": "sgd"}}
    space, wrong = read({"learner": [inside]})
    assert wrong == []
    assert space.parameters[1].name == "learner[neural].optimizer.lr"
    assert space.fixed == {"learner[neural]": {"learner.optimizer.name": "sgd"}}


def test_a_number_that_yaml_reads_as_text_is_still_a_number():
    space, wrong = read(yaml.safe_load("a: {low: 1e-5, high: 1e-2}\nb: {low: 1, high: 2}"))
    assert wrong == []
    assert [one.domain for one in space.parameters] == [Range(1e-5, 1e-2), Range(1, 2)]
    assert isinstance(space.parameters[1].domain.low, int)


def test_a_choice_of_lists_and_sections_is_no_list_of_branches():
    space, wrong = read({"augment.steps": [[], [{"name": "noise"}]], "outputs.label.head": [{}]})
    assert wrong == []
    assert space.parameters[0].domain == Choice(([], [{"name": "noise"}]))


def test_all_mistakes_of_form_are_said_at_once():
    said = problems("""
        a: []
        b: {low: 2, high: 1}
        c: {low: 0, high: 1, log: true}
        d: {low: 1, high: 9, log: true, step: 2}
        e: {low: 1, high: 9, step: 3}
        f: {low: 0, high: 1, step: -1}
        g: {low: 1, hihg: 3}
        h: 5
        i: [1, 2, 1]
        j: [2026-01-01, .nan, 3]
        k: {low: .inf, high: many}
        l: {}
        learner.name: [neural, svm]
        fusion: [{hidden: 3}, concat, {name: late}, {name: late, hidden: 3}]
        encoders.audio: []
        learner.optimizer: [{lr: 1}]
        learner.optimizer.lr: [1]
    """)
    assert said == [
        "search.a: the list is empty",
        "search.b: low must be below high (given 2 and 1)",
        "search.c: log needs low above 0 (given 0)",
        "search.d: a range is either log or has a step",
        "search.e: steps of 3 from 1 miss 9; take high: 7 or 10",
        "search.f: step must be above 0 (given -1)",
        "search.g.high: Field required",
        "search.g.hihg: unknown key (given 3); did you mean search.g.high? "
        "allowed: low, high, log, step",
        "search.h: one value is nothing to search; give a list, or {low: …, high: …} (given 5)",
        "search.i: 1 is there twice",
        "search.j: datetime.date(2026, 1, 1) is no plain value",
        "search.j: nan is no plain value",
        "search.k.low: Input should be a finite number (given inf)",
        "search.k.high: Input should be a valid number, unable to parse string as a number "
        "(given 'many')",
        "search.l: one value is nothing to search; give a list, or {low: …, high: …} (given {})",
        "search.learner.name: name the components in a list, learner: [{name: …}, {name: …}]",
        "search.fusion.0: a branch has a name, {name: …} (given {'hidden': 3})",
        "search.fusion.1: a branch has a name, {name: …} (given 'concat')",
        "search.fusion.3: 'late' has a branch already; join the two",
        "search.encoders.audio: the list is empty",
        "search.learner.optimizer.lr: it lies below search.learner.optimizer; say it there",
    ]


def test_what_is_right_is_read_beside_what_is_wrong():
    space, wrong = read({"a": [], "b": [1], "fusion": [{"name": "late"}, {"hidden": 1}]})
    assert len(wrong) == 2
    assert [one.name for one in space.parameters] == ["b", "fusion.name"]


def test_a_key_in_one_piece_and_in_sections_is_there_twice():
    branch = {"name": "neural", "optimizer.lr": [1], "optimizer": {"lr": 2}}
    assert read({"learner": [branch]})[1] == [
        "search.learner[neural].optimizer.lr: it is there twice"
    ]


MEASURED = [
    "corpus.root", "labels.use", "protocol", "protocol.seed", "folds", "seeds", "metrics",
    "allow_leak", "shuffle", "breakdown", "task", "expect", "submission", "outputs",
    "outputs.label", "outputs.label.classes", "outputs.label.kind", "outputs.label.edges",
]  # fmt: skip
SETTLED = ["asr.model", "text_source", "train_fraction", "outputs.label.soft"]
ASIDE = ["name", "runs_dir", "workers", "device", "cache.dir", "tune.inner", "search"]
SAID = {"decides what is measured": MEASURED, "is settled before": SETTLED, "says where": ASIDE}


@pytest.mark.parametrize(("key", "why"), [(key, why) for why, keys in SAID.items() for key in keys])
def test_what_is_no_matter_of_learning_is_refused(key, why):
    (said,) = read({key: [1, 2]})[1]
    assert said.startswith(f"search.{key}: it {why}")


@pytest.mark.parametrize(
    "key", ["outputs.label.head", "outputs.label.weight", "balance", "augment"]
)
def test_what_is_learned_may_be_searched(key):
    assert read({key: [1, 2]})[1] == []


def test_the_encoders_are_searched_one_by_one():
    assert read({"encoders": [{}]})[1] == [
        "search.encoders: search one of them, such as encoders.audio"
    ]


NUMBER = st.integers(-3, 20) | st.decimals(-2, 5, places=1).map(float)


@settings(max_examples=200, deadline=None)
@given(NUMBER, NUMBER, st.booleans(), st.none() | NUMBER)
def test_a_range_is_right_where_optuna_takes_it_as_it_is(low, high, log, step):
    """Beyond Optuna's own rules, a range of a single number is refused."""
    section = {"a": {"low": low, "high": high, "log": log, "step": step}}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            optuna.distributions.FloatDistribution(low, high, log=log, step=step)
        except (ValueError, UserWarning):
            takes = False
        else:
            takes = low != high
    assert (read(section)[1] == []) == takes
