"""A space proposes what is active, reads it back from a study, and lists its corners."""

import itertools
import json

import optuna

from multimodal_ser.config.search_space import Choice, Parameter, Range, Space

LR = Parameter("learner.optimizer.lr", "learner.optimizer.lr", Range(1e-5, 1e-2, log=True))
BATCH = Parameter("learner.batch_size", "learner.batch_size", Range(16, 64, step=16, whole=True))
LAYER = Parameter("encoders.audio.layer", "encoders.audio.layer", Choice((6, "last", [6, 9])))
FUSION = [
    Parameter("fusion.name", "fusion.name", Choice(("concat", "cross"))),
    Parameter("fusion[concat].hidden", "fusion.hidden", Choice((1, 2)), ("fusion.name", "concat")),
    Parameter("fusion[concat].dropout", "fusion.dropout", Range(0, 0.7), ("fusion.name", "concat")),
    Parameter(
        "fusion[cross].hidden", "fusion.hidden", Choice((4, 8, 16)), ("fusion.name", "cross")
    ),
]
SPACE = Space(
    (LR, BATCH, LAYER, *FUSION), {"fusion[concat]": {}, "fusion[cross]": {"fusion.depth": 1}}
)
CROSS = {
    "learner.optimizer.lr": 1e-3,
    "learner.batch_size": 32,
    "encoders.audio.layer": "[6, 9]",
    "fusion.name": "cross",
    "fusion[cross].hidden": 8,
}


def test_a_trial_gets_the_options_of_its_branch_and_no_other():
    trial = optuna.trial.FixedTrial(CROSS)
    assert SPACE.suggest(trial) == {
        "learner.optimizer.lr": 1e-3,
        "learner.batch_size": 32,
        "encoders.audio.layer": [6, 9],
        "fusion.name": "cross",
        "fusion.depth": 1,
        "fusion.hidden": 8,
    }
    assert set(trial.params) == set(CROSS)


def test_the_ranges_of_a_study_are_those_of_the_space():
    trial = optuna.trial.FixedTrial(CROSS)
    SPACE.suggest(trial)
    assert trial.distributions == {
        "learner.optimizer.lr": optuna.distributions.FloatDistribution(1e-5, 1e-2, log=True),
        "learner.batch_size": optuna.distributions.IntDistribution(16, 64, step=16),
        "encoders.audio.layer": optuna.distributions.CategoricalDistribution([6, "last", "[6, 9]"]),
        "fusion.name": optuna.distributions.CategoricalDistribution(["concat", "cross"]),
        "fusion[cross].hidden": optuna.distributions.CategoricalDistribution([4, 8, 16]),
    }


def test_what_a_study_suggested_is_read_back_from_its_finished_trials():
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    suggested = []

    def objective(trial):
        suggested.append(SPACE.suggest(trial))
        return 0.0

    study.optimize(objective, n_trials=30)
    assert [SPACE.values(one.params) for one in study.trials] == suggested
    options = {one["fusion.name"]: set() for one in suggested}
    for one in suggested:
        options[one["fusion.name"]] |= {key for key in one if key.startswith("fusion.")}
    assert options == {
        "concat": {"fusion.name", "fusion.hidden", "fusion.dropout"},
        "cross": {"fusion.name", "fusion.hidden", "fusion.depth"},
    }


def test_a_space_is_the_same_after_json():
    again = Space.of_plain(json.loads(json.dumps(SPACE.plain())))
    assert again == SPACE
    assert again.differences(SPACE) == []


def test_differences_are_said_with_both_sides():
    wider = Parameter(LR.name, LR.key, Range(1e-5, 0.1, log=True))
    later = Space((BATCH, wider, *FUSION[:3]), {"fusion[cross]": {"fusion.depth": 2}})
    assert later.differences(SPACE) == [
        "learner.optimizer.lr: 1e-05 to 0.1, log; it was 1e-05 to 0.01, log",
        'fusion[cross]: sets {"fusion.depth": 2}; it was sets {"fusion.depth": 1}',
        'encoders.audio.layer: not searched; it was one of 6, "last", [6, 9]',
        "fusion[cross].hidden: not searched; it was one of 4, 8, 16 (where fusion.name is cross)",
    ]


def test_true_is_not_one_to_a_study_that_goes_on():
    one, other = (
        Space((Parameter("a", "a", Choice(values)),)) for values in [(1, 0), (True, False)]
    )
    assert one.differences(other) == ["a: one of 1, 0; it was one of true, false"]


def test_the_order_of_the_keys_is_no_difference():
    assert Space((BATCH, LR)).differences(Space((LR, BATCH))) == []


def test_the_corners_hold_every_choice_every_branch_and_both_ends():
    corners = SPACE.corners()
    assert len(corners) == 2 + 3, "as many as the longest needs: two of concat, three of cross"
    for key, values in {
        "learner.optimizer.lr": [1e-5, 1e-2],
        "learner.batch_size": [16, 64],
        "encoders.audio.layer": [6, "last", [6, 9]],
    }.items():
        assert all(any(corner[key] == value for corner in corners) for value in values)
    concat = [one for one in corners if one["fusion.name"] == "concat"]
    cross = [one for one in corners if one["fusion.name"] == "cross"]
    assert {(one["fusion.hidden"], one["fusion.dropout"]) for one in concat} == {(1, 0), (2, 0.7)}
    assert [one["fusion.hidden"] for one in cross] == [4, 8, 16]
    assert all(one["fusion.depth"] == 1 and "fusion.dropout" not in one for one in cross)


def test_every_corner_is_something_that_a_trial_could_be():
    whole = Space(tuple(one for one in SPACE.parameters if one is not LAYER), SPACE.fixed)
    for corner in whole.corners():
        name = corner["fusion.name"]
        params = {
            key.replace("fusion.", f"fusion[{name}].") if key != "fusion.name" else key: value
            for key, value in corner.items()
        }
        assert whole.values(params) == corner


def test_variants_are_every_combination():
    pool = Parameter("encoders.text.pool", "encoders.text.pool", Choice(("mean", "max")))
    assert Space((LAYER, pool)).variants() == [
        {"encoders.audio.layer": layer, "encoders.text.pool": chosen}
        for layer, chosen in itertools.product([6, "last", [6, 9]], ["mean", "max"])
    ]


def test_variants_of_branches_are_counted_in_each():
    """Three of log_mel (8, 16, 24 bands), one of mfcc."""
    chooses = "encoders.audio.name"
    space = Space(
        (
            Parameter(chooses, chooses, Choice(("log_mel", "mfcc"))),
            Parameter(
                "encoders.audio[log_mel].n_mels",
                "encoders.audio.n_mels",
                Range(8, 24, step=8, whole=True),
                (chooses, "log_mel"),
            ),
        ),
        {"encoders.audio[log_mel]": {}, "encoders.audio[mfcc]": {"encoders.audio.n_mfcc": 13}},
    )
    assert space.variants() == [
        {"encoders.audio.name": "log_mel", "encoders.audio.n_mels": 8},
        {"encoders.audio.name": "log_mel", "encoders.audio.n_mels": 16},
        {"encoders.audio.name": "log_mel", "encoders.audio.n_mels": 24},
        {"encoders.audio.name": "mfcc", "encoders.audio.n_mfcc": 13},
    ]


def test_nothing_searched_is_one_corner():
    assert Space(()).corners() == Space(()).variants() == [{}]
