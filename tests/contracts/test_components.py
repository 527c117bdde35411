"""What every component promises, whoever wrote it: one test a promise, one run a file."""

import time
from importlib.metadata import version
from typing import get_args

import numpy as np
import pytest
import torch
from torch.nn.functional import pad

from multimodal_ser.config import registry
from multimodal_ser.config.outputs import FOR
from multimodal_ser.config.registry import build, module, names, schema
from multimodal_ser.features import pooling
from multimodal_ser.features.batches import Batch, Dataset, Ragged
from multimodal_ser.training import losses
from multimodal_ser.training.model import Model, head
from multimodal_ser.types import Features, Input, MissingError

LENGTHS = (0.4, 0.05, 1.1, 0.7, 0.2)
TEXTS = ("Qué alegría verte", "No", "Son las nueve de la mañana", "Qué pena, qué pena", "Sí")
DIMS = {"audio": 5, "hand": 3, "text": 7}
FITTED = [name for name in names("encoders") if registry.find("encoders", name).fit is not None]
TRAINED = [name for name in names("encoders") if registry.find("encoders", name).TRAINED]

INPUT_STEPS = [name for name in names("augment") if registry.find("augment", name).STAGE == "input"]

each_augment = pytest.mark.parametrize("name", names("augment"))
each_encoder = pytest.mark.parametrize("name", names("encoders"))
each_trained = pytest.mark.parametrize("name", TRAINED)
each_fusion = pytest.mark.parametrize("name", names("fusion"))
each_learner = pytest.mark.parametrize("name", names("learners"))
each_classifier = pytest.mark.parametrize(
    "name", [n for n in names("learners") if "classes" in registry.find("learners", n).TARGETS]
)
each_dataset = pytest.mark.parametrize("name", names("datasets"))


def example(kind, name, folder):
    return module(kind, name).EXAMPLE(folder)


def inputs_of(modality):
    generator = np.random.default_rng(0)
    if modality == "text":
        return [Input(text=text, language="es") for text in TEXTS]
    sounds = [generator.standard_normal(int(16000 * length)) * 0.1 for length in LENGTHS]
    return [Input(samples=sound.astype(np.float32), rate=16000) for sound in sounds]


def make_encoder(name, folder):
    try:
        encoder = build("encoders", name, example("encoders", name, folder)).eval()
    except MissingError as error:
        pytest.skip(str(error))
    inputs = inputs_of(encoder.modality)
    if encoder.fit is not None:
        encoder.fit(inputs)
    return encoder, inputs


def encode(encoder, inputs):
    with torch.inference_mode():
        return encoder(**encoder.prepare(inputs))


def valid(features, row):
    return features.x[row][features.mask[row]]


def close(found, wanted):
    """To 1e-5 of the largest value: next to a 200, a 2 in single precision has no sixth digit."""
    largest = max([1, *wanted.abs().flatten().tolist()])
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-5 * largest)


@each_encoder
def test_an_encoder_says_what_it_is(name, tmp_path):
    encoder, _ = make_encoder(name, tmp_path)
    assert encoder.modality in ("audio", "text")
    assert encoder.VERSION >= 1
    assert all(version(library) for library in encoder.VALUE_LIBRARIES)


@each_encoder
def test_features_have_the_shape_that_dim_promises(name, tmp_path):
    encoder, inputs = make_encoder(name, tmp_path)
    features = encode(encoder, inputs)
    assert features.x.shape == (len(inputs), features.mask.shape[1], encoder.dim)
    assert features.mask.dtype == torch.bool
    assert features.present.all()
    assert torch.isfinite(features.x[features.mask]).all()


@each_encoder
def test_alone_or_in_a_batch_in_any_order_an_input_gets_the_same_features(name, tmp_path):
    encoder, inputs = make_encoder(name, tmp_path)
    together = encode(encoder, inputs)
    turned = encode(encoder, inputs[::-1])
    many = encode(encoder, inputs * 13)
    for row, one in enumerate(inputs):
        alone = valid(encode(encoder, [one]), 0)
        for other in (valid(together, row), valid(turned, len(inputs) - 1 - row), valid(many, row)):
            close(other, alone)


@each_encoder
def test_a_missing_input_is_masked_and_changes_no_other_row(name, tmp_path):
    encoder, inputs = make_encoder(name, tmp_path)
    features = encode(encoder, [inputs[0], Input(), inputs[2]])
    assert features.present.tolist() == [True, False, True]
    assert torch.isfinite(features.x).all()
    whole = encode(encoder, inputs)
    for row in (0, 2):
        close(valid(features, row), valid(whole, row))


@each_encoder
def test_all_inputs_missing_is_no_error(name, tmp_path):
    encoder, _ = make_encoder(name, tmp_path)
    features = encode(encoder, [Input(), Input()])
    assert features.mask.shape[1] >= 1
    assert not features.mask.any()


def collated(parts):
    """Each tensor of the parts filled up with zeros to the largest but in its rows, then joined."""
    batch = {}
    for key in parts[0]:
        tensors = [part[key] for part in parts]
        largest = torch.tensor([one.shape[1:] for one in tensors]).amax(0).tolist()
        batch[key] = torch.cat([filled(one, largest) for one in tensors])
    return batch


def filled(tensor, shape):
    gaps = [(0, wanted - size) for wanted, size in zip(shape, tensor.shape[1:], strict=True)]
    return pad(tensor, [one for gap in reversed(gaps) for one in gap])


@each_encoder
def test_rows_prepared_one_by_one_and_joined_give_the_same_features(name, tmp_path):
    encoder, inputs = make_encoder(name, tmp_path)
    inputs = [*inputs[:2], Input(), *inputs[2:]]
    parts = [encoder.prepare([one]) for one in inputs]
    with torch.inference_mode():
        joined = encoder(**collated(parts))
    together = encode(encoder, inputs)
    assert joined.present.tolist() == together.present.tolist()
    for row in range(len(inputs)):
        close(valid(joined, row), valid(together, row))


@pytest.mark.parametrize("name", FITTED)
def test_a_fitted_encoder_comes_back_from_its_state(name, tmp_path):
    encoder, inputs = make_encoder(name, tmp_path)
    again = build("encoders", name, example("encoders", name, tmp_path)).eval()
    again.load_state(encoder.state())
    again.load_state_dict(encoder.state_dict())
    assert again.dim == encoder.dim
    torch.testing.assert_close(encode(again, inputs).x, encode(encoder, inputs).x, rtol=0, atol=0)


def two_kinds(modality):
    """Eight inputs: four of one kind, four of another, no two alike."""
    if modality == "text":
        said = [("qué alegría", "feliz"), ("qué pena", "triste")]
        ends = ("", " hoy", " siempre", " otra vez")
        return [Input(text=f"{start} {word}{end}") for start, word in said for end in ends]
    generator, inputs = np.random.default_rng(1), []
    for pitch in (200, 1500):
        for seconds in (0.8, 1.0, 1.1, 0.9):
            time = np.arange(int(16000 * seconds)) / 16000
            beat = np.sin(2 * np.pi * pitch * time) * np.sin(2 * np.pi * 3 * time)
            sound = 0.3 * beat + 0.01 * generator.standard_normal(len(time))
            inputs.append(Input(samples=sound.astype(np.float32), rate=16000))
    return inputs


def make_trained(name, folder):
    """A model as the trainer joins it, what it is given, and what it should say."""
    torch.manual_seed(0)
    encoder, _ = make_encoder(name, folder)
    inputs = two_kinds(encoder.modality)
    if encoder.fit is not None:
        encoder.fit(inputs)
    model = torch.nn.ModuleList([encoder, torch.nn.Linear(encoder.dim, 2)])
    return model, encoder.prepare(inputs), torch.arange(8) // 4


def said(model, given):
    features = model[0](**given)
    return model[1](pooling.mean(features.x, features.mask))


@each_trained
def test_an_encoder_that_is_trained_gets_a_gradient_at_every_parameter(name, tmp_path):
    model, given, truth = make_trained(name, tmp_path)
    torch.nn.functional.cross_entropy(said(model.train(), given), truth).backward()
    idle = [key for key, one in model.named_parameters() if one.grad is None or not one.grad.any()]
    assert idle == []


@each_trained
def test_a_missing_row_gives_no_nan_in_training(name, tmp_path):
    model, _, truth = make_trained(name, tmp_path)
    inputs = [*two_kinds(model[0].modality)[:-1], Input()]
    scores = said(model.train(), model[0].prepare(inputs))
    torch.nn.functional.cross_entropy(scores, truth).backward()
    assert all(torch.isfinite(one.grad).all() for one in model.parameters())


@each_trained
def test_eight_inputs_of_two_kinds_are_learned_by_heart(name, tmp_path):
    model, given, truth = make_trained(name, tmp_path)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    for _ in range(12):
        for _ in range(10):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(said(model.train(), given), truth).backward()
            optimizer.step()
        with torch.inference_mode():
            if (said(model.eval(), given).argmax(1) == truth).all():
                return
    pytest.fail("120 steps were not enough")


@each_trained
def test_what_lies_past_a_rows_end_means_nothing(name, tmp_path):
    encoder, inputs = make_encoder(name, tmp_path)
    given = encoder.prepare(inputs)
    (key,) = set(given) - {"lengths"}
    wanted = encode(encoder, inputs)
    past = torch.arange(given[key].shape[1]) >= given["lengths"].unsqueeze(1)
    given[key][past] = 1  # a word, a loud sample, a frame of a loud clip
    with torch.inference_mode():
        found = encoder(**given)
    for row in range(len(inputs)):
        close(valid(found, row), valid(wanted, row))


@each_trained
def test_an_encoder_that_is_trained_says_whether_it_is_given_frames(name, tmp_path):
    find, options = registry.find("encoders", name), example("encoders", name, tmp_path)
    model, given, _ = make_trained(name, tmp_path)
    if find.modality == "text":
        assert set(given) == {"ids", "lengths"}
        return
    assert set(given) == {"x", "lengths"}
    options = schema(find).model_validate(options).model_dump(mode="json")
    assert given["x"].ndim == (3 if find.frames(options) else 2)
    assert given["x"].dtype == torch.float32
    assert model[0].rate > 0


def features_of(rows=6, seed=0, dims=DIMS):
    generator = torch.Generator().manual_seed(seed)
    found = {}
    for name, dim in dims.items():
        x = torch.randn(rows, 4, dim, generator=generator)
        lengths = torch.randint(1, 5, (rows,), generator=generator)
        found[name] = Features(x, torch.arange(4) < lengths.unsqueeze(1))
    return found


def make_model(name, folder, dims=DIMS, absent=(), width=3):
    torch.manual_seed(0)
    fusion = build("fusion", name, example("fusion", name, folder), dims)
    return Model(fusion, {"label": head(fusion.out_dim, width)}, dims, absent).eval()


def without(features, name, row):
    part = features[name]
    mask = part.mask.clone()
    mask[row] = False
    return features | {name: Features(part.x, mask)}


@each_fusion
@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_fusion_takes_any_number_of_encoders(name, count, tmp_path):
    dims = dict(list(DIMS.items())[:count])
    scores = make_model(name, tmp_path, dims)(features_of(dims=dims))["label"]
    assert scores.shape == (6, 3)
    assert torch.isfinite(scores).all()


@each_fusion
def test_the_order_of_the_encoders_means_nothing(name, tmp_path):
    features = features_of()
    turned = dict(reversed(features.items()))
    scores = make_model(name, tmp_path)(features)["label"]
    again = make_model(name, tmp_path, dict(reversed(DIMS.items())))(turned)["label"]
    torch.testing.assert_close(again, scores, rtol=0, atol=0)


@each_fusion
def test_what_padding_holds_means_nothing(name, tmp_path):
    model, features = make_model(name, tmp_path), features_of()
    junk = {
        key: Features(part.x.masked_fill(~part.mask.unsqueeze(-1), 1e6), part.mask)
        for key, part in features.items()
    }
    longer = {
        key: Features(pad(part.x, (0, 0, 0, 3), value=-7.0), pad(part.mask, (0, 3)))
        for key, part in features.items()
    }
    scores = model(features)["label"]
    for other in (junk, longer):
        torch.testing.assert_close(model(other)["label"], scores, rtol=1e-5, atol=1e-5)


@each_fusion
def test_a_row_scores_the_same_alone_and_among_64(name, tmp_path):
    model, features = make_model(name, tmp_path), features_of(rows=64)
    scores = model(features)["label"]
    for row in (0, 31, 63):
        one = {
            key: Features(part.x[row : row + 1], part.mask[row : row + 1])
            for key, part in features.items()
        }
        torch.testing.assert_close(model(one)["label"][0], scores[row], rtol=1e-5, atol=1e-5)


@each_fusion
def test_a_missing_modality_gives_no_nan_and_changes_no_other_row(name, tmp_path):
    model, features = make_model(name, tmp_path, absent=list(DIMS)), features_of()
    scores = model(features)["label"]
    gap = without(features, "text", 2)
    gap["text"].x[2] = torch.nan
    partial = model(gap)["label"]
    partial.sum().backward()
    assert torch.isfinite(partial).all()
    assert all(torch.isfinite(one.grad).all() for one in model.parameters() if one.grad is not None)
    others = [0, 1, 3, 4, 5]
    torch.testing.assert_close(partial[others], scores[others], rtol=1e-5, atol=1e-5)
    assert not torch.allclose(partial[2], scores[2])


@each_fusion
def test_a_row_with_nothing_at_all_gives_no_nan(name, tmp_path):
    model, features = make_model(name, tmp_path, absent=list(DIMS)), features_of()
    for key in DIMS:
        features = without(features, key, 1)
    scores = model(features)["label"]
    scores.sum().backward()
    assert torch.isfinite(scores).all()
    assert all(torch.isfinite(one.grad).all() for one in model.parameters() if one.grad is not None)


@each_fusion
def test_gradients_reach_every_parameter(name, tmp_path):
    model, features = make_model(name, tmp_path, absent=list(DIMS)), features_of()
    for row, key in enumerate(DIMS):
        features = without(features, key, row)
    target = torch.tensor([0, 1, 2, 0, 1, 2])
    torch.nn.functional.cross_entropy(model.train()(features)["label"], target).backward()
    idle = [key for key, one in model.named_parameters() if one.grad is None or not one.grad.any()]
    assert idle == []


@pytest.mark.parametrize(
    "name",
    [n for n in names("fusion") if "pool" in schema(registry.find("fusion", n)).model_fields],
)
@pytest.mark.parametrize("kind", get_args(pooling.Pooling))
def test_a_fusion_that_pools_frames_does_so_in_every_way(name, kind, tmp_path):
    options = example("fusion", name, tmp_path) | {"pool": kind}
    fusion, features = build("fusion", name, options, DIMS).eval(), features_of()
    fused = fusion(features)
    assert fused.shape[-1] == fusion.out_dim
    assert torch.isfinite(fused).all()
    longer = {
        key: Features(pad(part.x, (0, 0, 0, 3), value=-7.0), pad(part.mask, (0, 3)))
        for key, part in features.items()
    }
    torch.testing.assert_close(fusion(longer), fused, rtol=1e-5, atol=1e-5)


@each_fusion
def test_a_fusion_says_its_search_space_in_its_own_options(name, tmp_path):
    find = registry.find("fusion", name)
    space = find.search_space()
    assert space
    assert set(space) <= set(schema(find).model_fields)
    for key, choices in space.items():
        tried = choices if isinstance(choices, list) else [choices["low"], choices["high"]]
        for value in tried:
            schema(find).model_validate({key: value})


def dims_for(learner):
    """A learner of frames reads one encoder, every other one any number."""
    one = registry.find("learners", learner).WANTS == "frames"
    return {"audio": DIMS["audio"]} if one else DIMS


def dataset_of(rows=16, seed=1, frames=1, dims=DIMS):
    generator = torch.Generator().manual_seed(seed)
    codes = torch.arange(rows) % 3
    features = {}
    for name, dim in dims.items():
        x = torch.randn(rows * frames, dim, generator=generator)
        features[name] = Ragged(x, torch.full((rows,), frames))
    truth = torch.nn.functional.one_hot(codes, 3).float()
    return Dataset(features, {"label": truth}, np.arange(rows) % 8)


def make_learner(name, folder, fusion="concat", kind="classes", **options):
    find = registry.find("learners", name)
    options = example("learners", name, folder) | options
    if find.WANTS != "batches":
        return build("learners", name, options)
    loss = losses.make(FOR[kind][0])
    model = make_model(fusion, folder, width=3 if kind == "classes" else 1)
    return build("learners", name, options, model, {"label": (loss, 1.0)})


@each_fusion
def test_a_fusion_can_learn_16_rows_by_heart(name, tmp_path):
    data = dataset_of(frames=2)
    options = {"epochs": 80, "batch_size": 16, "optimizer": {"lr": 0.01}}
    learner = make_learner("neural", tmp_path, name, **options)
    learner.fit(data, None, seed=0)
    assert (learner.predict(data)["label"].argmax(1) == np.arange(16) % 3).all()


@each_classifier
def test_scores_are_probabilities_of_every_class(name, tmp_path):
    learner, data = make_learner(name, tmp_path), dataset_of(dims=dims_for(name))
    learner.fit(data, data, seed=0)
    scores = learner.predict(data)["label"]
    assert scores.shape == (16, 3)
    assert (scores >= 0).all()
    np.testing.assert_allclose(scores.sum(1), 1, atol=1e-6)


@each_learner
def test_what_is_predicted_depends_neither_on_truth_nor_on_order(name, tmp_path):
    learner, data = make_learner(name, tmp_path), dataset_of(dims=dims_for(name))
    learner.fit(data, None, seed=0)
    scores = learner.predict(data)["label"]
    hidden = Dataset(data.features, {"label": torch.zeros(16, 3)}, data.clusters)
    np.testing.assert_array_equal(learner.predict(hidden)["label"], scores)
    turn = np.arange(16)[::-1].copy()
    turned = Dataset(
        {key: part.take(turn) for key, part in data.features.items()}, data.targets, data.clusters
    )
    np.testing.assert_allclose(learner.predict(turned)["label"], scores[turn], atol=1e-6)


@each_learner
def test_a_learner_comes_back_from_its_state_with_the_same_scores(name, tmp_path):
    learner, data = make_learner(name, tmp_path), dataset_of(dims=dims_for(name))
    learner.fit(data, None, seed=0)
    again = make_learner(name, tmp_path)
    again.load_state(learner.state())
    np.testing.assert_array_equal(again.predict(data)["label"], learner.predict(data)["label"])


@each_learner
def test_the_same_seed_gives_the_same_bytes(name, tmp_path):
    states, dims = [], dims_for(name)
    for _ in range(2):
        learner = make_learner(name, tmp_path)
        torch.manual_seed(5)
        learner.fit(dataset_of(dims=dims), dataset_of(seed=2, dims=dims), seed=5)
        states.append(learner.predict(dataset_of(seed=3, dims=dims))["label"].tobytes())
    assert states[0] == states[1]


@each_classifier
def test_a_class_that_weighs_more_is_predicted_more_often(name, tmp_path):
    generator = torch.Generator().manual_seed(0)
    noise = {key: Ragged(torch.randn(60, dim, generator=generator), torch.ones(60, dtype=int))
             for key, dim in dims_for(name).items()}  # fmt: skip
    codes = (torch.arange(60) % 10 == 0).long()
    truth = torch.nn.functional.one_hot(codes, 3).float()
    answers = {}
    for heavy in (1.0, 20.0):
        weights = torch.where(codes == 1, heavy, 1.0)
        plain = {"scores": "margin"} if name == "svm" else {}  # else calibrated to the rows
        learner = make_learner(name, tmp_path, **plain)
        torch.manual_seed(0)
        learner.fit(Dataset(noise, {"label": truth}, np.arange(60), weights), None, seed=0)
        answers[heavy] = learner.predict(Dataset(noise, {"label": truth}, np.arange(60)))["label"][
            :, 1
        ].sum()
    assert answers[20.0] > answers[1.0]


@pytest.mark.parametrize(
    "name", [n for n in names("learners") if "numbers" in registry.find("learners", n).TARGETS]
)
def test_a_learner_of_numbers_gives_one_for_each_row(name, tmp_path):
    data = dataset_of(rows=24)
    numbers = data.features["text"].frames[:, :1] * 2
    train = Dataset(data.features, {"label": numbers}, data.clusters)
    options = {"epochs": 200} if registry.find("learners", name).WANTS == "batches" else {}
    learner = make_learner(name, tmp_path, kind="numbers", **options)
    learner.fit(train, train, seed=0)
    said = learner.predict(train)["label"]
    assert said.shape == (24, 1)
    assert np.corrcoef(said[:, 0], numbers[:, 0])[0, 1] > 0.9


@each_dataset
def test_a_dataset_loads_its_example_and_says_its_terms(name, tmp_path):
    corpus = build("datasets", name, example("datasets", name, tmp_path))
    about = module("datasets", name).ABOUT
    assert len(corpus) > 0
    assert corpus.table["id"].is_unique
    assert about.licence
    assert about.citation
    assert about.home


each_recognizer = pytest.mark.parametrize("name", names("asr"))


def make_recognizer(name, folder):
    try:
        return build("asr", name, example("asr", name, folder))
    except MissingError as error:
        pytest.skip(str(error))


def heard(transcripts):
    """What must not depend on the company; numbers may differ in their last bits."""
    return [
        one and (one.text, one.raw, one.language, one.flags, one.temperature, one.seconds)
        for one in transcripts
    ]


@each_recognizer
def test_a_recogniser_says_what_it_is(name, tmp_path):
    recognizer = make_recognizer(name, tmp_path)
    assert recognizer.VERSION >= 1
    assert all(version(library) for library in recognizer.VALUE_LIBRARIES)
    assert recognizer.RATE > 0
    assert recognizer.BATCH[0] <= recognizer.ACCELERATED[0]
    assert recognizer.to(torch.device("cpu")) is recognizer


@each_recognizer
def test_a_recogniser_gives_a_transcript_for_each_sound_in_order_and_none_without(name, tmp_path):
    recognizer, inputs = make_recognizer(name, tmp_path), inputs_of("audio")
    found = recognizer.transcribe([*inputs[:2], Input(), *inputs[2:], Input(text="Hola")])
    assert [one is None for one in found] == [False, False, True, False, False, False, True]
    kept = [one for one in found if one]
    assert [one.seconds for one in kept] == pytest.approx(LENGTHS)
    assert all((one.text is None) or one.text for one in kept)
    assert recognizer.transcribe([]) == []
    assert recognizer.transcribe([Input()]) == [None]


@each_recognizer
def test_alone_or_in_a_batch_in_any_order_a_sound_gets_the_same_transcript(name, tmp_path):
    recognizer, inputs = make_recognizer(name, tmp_path), inputs_of("audio")
    together = recognizer.transcribe(inputs)
    alone = [recognizer.transcribe([one])[0] for one in inputs]
    turned = recognizer.transcribe(inputs[::-1])[::-1]
    many = recognizer.transcribe(inputs * 2)
    for other in (alone, turned, many[:5], many[-5:]):
        assert heard(other) == heard(together)
        for one, expected in zip(other, together, strict=True):
            assert one.log_probability == pytest.approx(expected.log_probability, abs=1e-4)
            assert one.no_speech == pytest.approx(expected.no_speech, abs=1e-6)


@each_recognizer
def test_a_text_that_is_known_already_changes_no_transcript(name, tmp_path):
    recognizer, inputs = make_recognizer(name, tmp_path), inputs_of("audio")
    told = [Input(one.samples, one.rate, text="Otra cosa", language="es") for one in inputs]
    asked = [Input(one.samples, one.rate, language="es") for one in inputs]
    assert recognizer.transcribe(told) == recognizer.transcribe(asked)


@each_recognizer
def test_a_recogniser_says_what_its_weights_are_and_what_is_missing(name, tmp_path):
    find, options = registry.find("asr", name), example("asr", name, tmp_path)
    options = schema(find).model_validate(options).model_dump(mode="json")
    assert find.missing(options) == []
    assert find.weights_hash(options) == find.weights_hash(dict(options))
    assert len(find.weights_hash(options)) >= 16


def make_augment(name, folder, **options):
    return build("augment", name, example("augment", name, folder) | options)


def typical(stage):
    """What an augmentation of this stage is usually given."""
    sound = inputs_of("audio")[2]
    if stage == "input":
        return Input(sound.samples, sound.rate, "Qué pena. Vuelve mañana, no hoy.", "es")
    if stage == "frames":
        return torch.randn(60, 30, generator=torch.Generator().manual_seed(0))
    data = dataset_of(frames=2)
    return Batch(
        data.batch(torch.arange(16)).features, data.targets, torch.arange(16.0), torch.arange(16)
    )


def contents(thing):
    """Everything that stands in an input, in frames or in a batch, as bytes and words."""
    if isinstance(thing, Input):
        samples = None if thing.samples is None else thing.samples.tobytes()
        return samples, thing.rate, thing.text, thing.language
    if isinstance(thing, torch.Tensor):
        return thing.numpy().tobytes()
    parts = [tensor for part in thing.features.values() for tensor in (part.x, part.mask)]
    return [contents(one) for one in [*parts, *thing.targets.values(), thing.weights]]


def augmented(augment, thing, seed=0):
    return augment(thing, np.random.default_rng(seed))


@each_augment
def test_an_augmentation_says_where_it_acts(name, tmp_path):
    augment = make_augment(name, tmp_path)
    assert augment.modality in ("audio", "text", None)
    assert augment.STAGE in ("input", "frames", "batch")
    assert augment.modality is not None or augment.STAGE != "input"


@each_augment
def test_an_augmentation_does_the_same_for_a_seed_and_something_else_for_others(name, tmp_path):
    augment = make_augment(name, tmp_path)
    thing = typical(augment.STAGE)
    found = [contents(augmented(augment, thing, seed)) for seed in range(8)]
    again = make_augment(name, tmp_path)
    assert [contents(augmented(again, thing, seed)) for seed in range(8)] == found
    assert any(one != found[0] for one in found)


@each_augment
def test_an_augmentation_changes_what_it_is_given_but_not_in_place(name, tmp_path):
    augment = make_augment(name, tmp_path)
    thing = typical(augment.STAGE)
    before = contents(thing)
    assert any(contents(augmented(augment, thing, seed)) != before for seed in range(4))
    assert contents(thing) == before


@each_augment
def test_an_augmentation_with_p_0_is_the_identity(name, tmp_path):
    augment = make_augment(name, tmp_path, p=0.0)
    thing = typical(augment.STAGE)
    assert all(augmented(augment, thing, seed) is thing for seed in range(20))


@pytest.mark.parametrize("name", INPUT_STEPS)
def test_an_augmentation_leaves_the_other_modality_and_a_missing_one_alone(name, tmp_path):
    augment = make_augment(name, tmp_path)
    whole = typical("input")
    sound, text = Input(whole.samples, whole.rate), Input(text=whole.text, language="es")
    other = text if augment.modality == "audio" else sound
    for one in (other, Input()):
        assert augmented(augment, one) is one
    changed = augmented(augment, whole)
    assert (changed.rate, changed.language) == (whole.rate, whole.language)
    kept = "text" if augment.modality == "audio" else "samples"
    assert getattr(changed, kept) is getattr(whole, kept)


@each_augment
def test_an_augmentation_gives_finite_float32(name, tmp_path):
    augment = make_augment(name, tmp_path)
    for seed in range(4):
        found = augmented(augment, typical(augment.STAGE), seed)
        if isinstance(found, Input):
            assert found.samples.dtype == np.float32
            assert found.samples.ndim == 1
            assert np.isfinite(found.samples).all()
        elif isinstance(found, torch.Tensor):
            assert found.dtype == torch.float32
            assert found.shape == (60, 30)
            assert torch.isfinite(found).all()
        else:
            tensors = [part.x for part in found.features.values()]
            for tensor in (*tensors, found.targets["label"], found.weights):
                assert tensor.dtype == torch.float32
                assert torch.isfinite(tensor).all()


@pytest.mark.parametrize("name", INPUT_STEPS)
def test_an_augmentation_takes_a_single_sample_silence_and_a_single_mark(name, tmp_path):
    augment = make_augment(name, tmp_path)
    sounds = (np.ones(1), np.zeros(1), np.zeros(800), np.full(3, 1e-30), np.full(9, -1.0))
    for samples in sounds:
        for text in ("", " ", "…", "Sí", "¿?"):
            one = Input(samples.astype(np.float32), 16000, text, "es")
            found = augmented(augment, one)
            assert len(found.samples) > 0
            assert np.isfinite(found.samples).all()
            assert bool(found.text.strip()) == bool(text.strip())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "name"),
    [
        (make, name)
        for make, kind in (
            (make_encoder, "encoders"), (make_recognizer, "asr"), (make_augment, "augment")
        )
        for name in names(kind)
    ],
)  # fmt: skip
def test_a_component_is_built_in_under_a_second(make, name, tmp_path):
    make(name, tmp_path)  # imports what it needs
    began = time.perf_counter()
    make(name, tmp_path)
    assert time.perf_counter() - began < 1
