"""No two streams of random numbers coincide, and what is unbiased on paper is unbiased where all seeds are the same."""

import ast
import itertools
from pathlib import Path

import numpy as np
import pytest

import minigrad
import minigrad as mg
from minigrad import inspect, nn, ops, streams, training
from minigrad.estimators import Mask, RandomProjection
from minigrad.inspect.measured import MeasuredBatches
from minigrad.inspect.recorded_batches import RecordedBatches
from minigrad.streams import Domain, as_generator, child, generator, give_back, key_of, lend

SEEDS = [0, 1, 2, 3, 7, 1000, 2**31, 2**32 - 1, 2**32, 2**32 + 1, 2**63, 2**64 - 1, 2**64, 2**96 + 5, 2**128 - 1]
LONG = [2**128, 2**128 + 1, 2**160 + 7, 2**192, 10**100]
"""Seeds of more words than the pool of a SeedSequence has."""
PLACES = [0, 1, 2, 2**31, 2**32, 2**63]


def places_of(domain: Domain) -> list[tuple[int, ...]]:
    return list(itertools.product(PLACES, repeat=domain.places))


def start(rng: np.random.Generator) -> tuple[int, int]:
    """Where a generator stands: two with the same state draw the same for ever."""
    state = rng.bit_generator.state["state"]
    return state["state"], state["inc"]


def words_of(domain: Domain, key: int, places: tuple[int, ...]) -> list[int]:
    """The 32-bit words that a stream is spelt by, lowest first, as the module's docstring says."""
    numbers = [key % 2**64, key >> 64, domain.word, *(*places, 0, 0)[:2], 0]
    return [word for number in numbers for word in (number % 2**32, number >> 32)]


# ---------------------------------------------------------------------------------------------------------------------
# One stream for each (seed, domain, places)
# ---------------------------------------------------------------------------------------------------------------------


def test_all_streams_of_all_domains_differ_from_each_other_and_from_what_a_user_draws():
    seen: dict[tuple[int, int], str] = {}
    for seed in SEEDS + LONG:  # those of a user coincide: default_rng(2**128) is the second child of seed 0
        seen[start(np.random.default_rng(seed))] = f"default_rng({seed})"
        seen[start(np.random.default_rng([seed, 0]))] = f"default_rng([{seed}, 0])"
        for number, spawned in enumerate(np.random.SeedSequence(seed).spawn(3)):
            seen[start(np.random.default_rng(spawned))] = f"child {number} of {seed}"
    before, made = len(seen), 0
    for seed, domain in itertools.product(SEEDS + LONG, Domain):
        for places in places_of(domain):
            at, what = start(generator(domain, seed, *places)), f"{domain.name} of {seed} at {places}"
            assert at not in seen, f"{what} is {seen[at]}"
            seen[at], made = what, made + 1
    assert made > 1000 and len(seen) == before + made


def test_keys_of_all_domains_differ():
    keys = [child(d, seed, *places) for seed in SEEDS + LONG for d in Domain for places in places_of(d)]
    assert len(set(keys)) == len(keys)
    assert all(0 <= key < 2**64 for key in keys)


def test_the_numbers_of_domains_are_all_different_and_so_are_their_meanings():
    assert len({domain.word for domain in Domain}) == len(Domain)
    assert all(2**62 < domain.word < 2**63 for domain in Domain)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_stream_is_that_of_a_seed_sequence_with_a_spawn_key(seed):
    words = words_of(Domain.BACKWARD, seed, (5, 2**33))
    expected = np.random.SeedSequence(seed, spawn_key=tuple(words[4:]))
    assert start(generator(Domain.BACKWARD, seed, 5, 2**33)) == start(np.random.default_rng(expected))


@pytest.mark.parametrize("seed", [0, 1, 2**40, 2**100 + 3])
@pytest.mark.parametrize("domain", list(Domain))
def test_no_whole_number_spells_a_stream(seed, domain):
    """The number whose words are those of a stream, and those with a word less or more, seed another one."""
    places = (3, 4)[: domain.places]
    words = words_of(domain, seed, places)
    assert words[-2:] == [0, 0]
    ours = start(generator(domain, seed, *places))
    # The construction is right: as a list of words, whose zeros at the end count, it is this very stream.
    assert start(np.random.default_rng(np.random.SeedSequence(words))) == ours
    for upper in ([], [1], [0, 1], [0, 0, 1]):
        spelt = sum(word << (32 * k) for k, word in enumerate([*words, *upper]))
        assert start(np.random.default_rng(spelt)) != ours
        for other in Domain:
            assert start(generator(other, spelt, *places_of(other)[0])) != ours


def test_padding_with_zeros_is_what_went_wrong():
    """Two sequences of places, of which one is the other and zeros, are one stream to default_rng, and two here."""
    assert start(np.random.default_rng([7, 0, 0])) == start(np.random.default_rng(7))
    at_zero = [start(generator(domain, 7, *[0] * domain.places)) for domain in Domain]
    assert len({*at_zero, start(np.random.default_rng(7))}) == len(Domain) + 1


def test_same_arguments_same_bits():
    for domain in Domain:
        places = (1, 2)[: domain.places]
        assert start(generator(domain, 5, *places)) == start(generator(domain, np.int64(5), *places))
        assert child(domain, 5, *places) == child(domain, np.uint8(5), *places)


def test_a_generator_that_is_lent_is_the_same_bit_by_bit_wherever_it_stood_before():
    for seed, domain in itertools.product(SEEDS + LONG, Domain):
        for places in places_of(domain)[:7]:
            fresh, lent = generator(domain, seed, *places), lend(domain, seed, *places)
            assert lent.bit_generator.state == fresh.bit_generator.state
            lent.random(3, np.float32)  # half of a word is left over
            assert lent.bit_generator.state != fresh.bit_generator.state
            give_back(lent)


def test_two_generators_that_are_lent_at_a_time_are_two():
    first, second = lend(Domain.STEP, 0, 1), lend(Domain.STEP, 0, 2)
    assert first is not second
    assert first.random() == generator(Domain.STEP, 0, 1).random()
    give_back(first)
    give_back(second)


def test_an_estimator_of_a_users_may_keep_its_generator():
    kept = []

    class Keep(mg.Estimator):
        def sample(self, g, node, rng):
            kept.append(rng)
            return g

    tape, loss, leaves = two_layers(Keep(), Keep())
    tape.gradients(loss, leaves, rng=1)
    after = [start(rng) for rng in kept]
    for node in tape.nodes[:2]:
        node.vjp = Mask(0.5)
    tape.gradients(loss, leaves, rng=2)
    assert len({id(rng) for rng in kept}) == 2
    assert [start(rng) for rng in kept[:2]] == after


def test_what_is_wrong_is_said():
    with pytest.raises(TypeError, match=r"BACKWARD has 2 places, got 1: \(3,\)"):
        generator(Domain.BACKWARD, 0, 3)
    with pytest.raises(TypeError, match="FORWARD has 0 places"):
        child(Domain.FORWARD, 0, 0)
    with pytest.raises(ValueError, match="seed -1 is negative"):
        generator(Domain.FORWARD, -1)
    with pytest.raises(ValueError, match="rng=-1: a seed must not be negative"):
        as_generator(Domain.FORWARD, -1)
    for rng in ("0", 1.5, [1, 2], np.random.RandomState(0)):
        with pytest.raises(TypeError, match="takes a numpy.random.Generator, a seed"):
            as_generator(Domain.FORWARD, rng)
        with pytest.raises(TypeError, match="takes a numpy.random.Generator, a seed"):
            key_of(rng)


def test_a_generator_is_used_as_it_is_and_none_is_fresh():
    rng = np.random.default_rng(0)
    for domain in Domain:
        assert as_generator(domain, rng) is rng
    assert start(as_generator(Domain.FORWARD, None)) != start(as_generator(Domain.FORWARD, None))
    assert key_of(None) != key_of(None)


# ---------------------------------------------------------------------------------------------------------------------
# The one place
# ---------------------------------------------------------------------------------------------------------------------

MAKERS = {"default_rng", "SeedSequence", "Generator", "RandomState", "PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64"}


def makers(source: str) -> list[str]:
    """Calls in some code that make a stream, and uses of NumPy's or Python's global one."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            modules = [alias.name for alias in node.names]
            if isinstance(node, ast.ImportFrom):
                modules = [f"{node.module}.{name}" for name in modules]
            found += [name for name in modules if name.split(".")[0] == "random" or "numpy.random" in name]
        if not isinstance(node, ast.Call):
            continue
        text = ast.unparse(node.func)
        if text.split(".")[-1] in MAKERS or (text.startswith(("np.random.", "numpy.random.")) and text.count(".") == 2):
            found.append(f"line {node.lineno}: {text}")
    return found


def test_streams_are_made_in_one_module_only():
    root = Path(minigrad.__file__).parent
    found = {str(path.relative_to(root)): makers(path.read_text("utf-8")) for path in root.rglob("*.py")}
    assert len(found) > 100
    assert found.pop("streams.py")
    assert {path: calls for path, calls in found.items() if calls} == {}


@pytest.mark.parametrize(
    "code",
    [
        "rng = np.random.default_rng([key, 0])",
        "from numpy.random import default_rng",
        "x = SeedSequence(3)",
        "np.random.seed(0)",
        "y = np.random.rand(3)",
        "import random",
        "g = np.random.Generator(np.random.PCG64(1))",
    ],
)
def test_the_search_for_other_places_finds_them(code):
    assert makers(code)


# ---------------------------------------------------------------------------------------------------------------------
# One seed for everything
# ---------------------------------------------------------------------------------------------------------------------

ALPHA = 1e-9
"""False-alarm rate of each test below. Given c, Σ ε c for independent signs ε stays below √(2 Σc² log(2/α)) but for a
chance of α at most (Hoeffding 1963): a mask of budget ½ is such a sign, 2·kept − 1, at each unit."""


def excess(draw, seeds: int) -> float:
    """|Σ ε c| over the bound, where draw(seed) gives Σ ε c and Σ c²; above 1 the mean is not 0."""
    total, squares = 0.0, 0.0
    for seed in range(seeds):
        value, square = draw(seed)
        total, squares = total + value, squares + square
    return abs(total) / np.sqrt(2 * squares * np.log(2 / ALPHA))


def same(seed):
    return seed, seed


def one_object(seed):
    rng = np.random.default_rng(seed)
    return rng, rng


def above_dropout(axis, rngs=same, rate=0.5):
    """Linear with a mask on its cotangent, then dropout, then the sum; x and weights are ones, of shape 2×3 and 2×3."""
    sums = {"element": (), "row": (1,), "column": (0,)}

    def draw(seed):
        forward, backward = rngs(seed)
        w = mg.Tensor(np.ones((2, 3)), requires_grad=True)
        with mg.Tape(rng=forward) as tape:
            loss = ops.dropout(ops.linear(np.ones((2, 3)), w, vjp=Mask(0.5, axis=axis)), rate).sum()
        (g,) = tape.gradients(loss, [w], rng=backward)
        scale = tape.nodes[1].saved["scale"]  # the exact cotangent of node 0
        weights = scale.sum(axis=sums[axis])
        return g[:, 0].sum() - scale.sum(), np.square(weights).sum()

    return draw


def with_users_data(seed):
    """The loss Σ w·x with data that the user drew from the same seed: the mask meets the data."""
    x = np.random.default_rng(seed).random(8)
    w = mg.Tensor(np.ones(8), requires_grad=True)
    with mg.Tape() as tape:
        loss = ops.multiply(w, x, vjp=Mask(0.5, axis="element")).sum()
    (g,) = tape.gradients(loss, [w], rng=seed)
    return (g - x).sum(), np.square(x).sum()


def with_initial_values(seed):
    """The gradient of x in Σ W·x, with weights of the same seed; W is uniform, and its upper half are 0 to 1."""
    layer = nn.Linear(8, 1, rng=seed)
    x = mg.Tensor(np.ones((1, 8), np.float32), requires_grad=True)
    with mg.Tape() as tape:
        loss = ops.multiply(x, layer.weight, vjp=Mask(0.5, axis="element")).sum()
    (g,) = tape.gradients(loss, [x], rng=seed)
    return (g - layer.weight.data).sum(), np.square(layer.weight.data).sum()


def with_own_dropout(seed):
    """As with a tape's dropout, but `ops.dropout(rng=seed)`."""
    w = mg.Tensor(np.ones((2, 3)), requires_grad=True)
    with mg.Tape() as tape:
        loss = ops.dropout(ops.multiply(w, 1.0, vjp=Mask(0.5, axis="element")), 0.5, rng=seed).sum()
    (g,) = tape.gradients(loss, [w], rng=seed)
    scale = tape.nodes[1].saved["scale"]
    return (g - scale).sum(), np.square(scale).sum()


def with_residuals(seed):
    """Σ_i ĝ_i x̂_i of one node, with masks of its cotangent and of the x that it saves; both are 1 on average."""
    w = mg.Tensor(np.ones((1, 1)), requires_grad=True)
    mask = Mask(0.5, axis="element")
    with mg.Tape(rng=seed) as tape:
        loss = ops.linear(np.ones((6, 1)), w, vjp=mask, save=mask).sum()
    saved = tape.nodes[0].saved["x"].dense()
    (g,) = tape.gradients(loss, [w], rng=seed)
    return g.sum() - saved.sum(), np.square(saved).sum()


def with_a_hand_made_draw(seed):
    """`sample(g, rng=seed)` by hand beside a backward pass of that seed."""
    by_hand = Mask(0.5, axis="element").sample(np.ones((1, 6)), rng=seed).dense() - 1
    w = mg.Tensor(np.ones((1, 6)), requires_grad=True)
    with mg.Tape() as tape:
        loss = ops.multiply(w, 1.0, vjp=Mask(0.5, axis="element")).sum()
    (g,) = tape.gradients(loss, [w], rng=seed)
    return ((g - 1) * by_hand).sum(), by_hand.size


CASES = {
    "dropout, elements": above_dropout("element"),
    "dropout, columns": above_dropout("column"),
    "dropout, rows": above_dropout("row"),
    "dropout, one generator for both": above_dropout("element", one_object),
    "dropout with a seed of its own": with_own_dropout,
    "a user's data": with_users_data,
    "initial values": with_initial_values,
    "residual sketches": with_residuals,
    "an estimator called by hand": with_a_hand_made_draw,
}


SEEDS_OF = {"dropout, rows": 3000}
"""Where one unit in six shares its number with another draw."""


@pytest.mark.parametrize("name", CASES)
def test_one_seed_for_everything_leaves_the_gradient_unbiased(name):
    """Each has false-alarm rate 1e-9; the next test shows its power."""
    assert excess(CASES[name], SEEDS_OF.get(name, 800)) < 1


@pytest.mark.parametrize("name", [name for name in CASES if "one generator" not in name])
def test_streams_that_coincide_would_be_seen(name, monkeypatch):
    """With every stream that of default_rng(seed), as they were, the same tests fail; by more than a factor of 1.5."""
    for module in (minigrad.engine.drawing, minigrad.engine.residuals):
        for maker in ("generator", "lend"):
            monkeypatch.setattr(module, maker, lambda domain, key, *places: np.random.default_rng([key, *places]))
    for module in (minigrad.engine.tape, minigrad.nn.initial, minigrad.ops.random, minigrad.estimators.selection):
        monkeypatch.setattr(module, "as_generator", lambda domain, rng: np.random.default_rng(rng))
    assert excess(CASES[name], SEEDS_OF.get(name, 800)) > 1.5


# ---------------------------------------------------------------------------------------------------------------------
# Measurements on batches
# ---------------------------------------------------------------------------------------------------------------------


def squared_errors(key, batches=8):
    """On a few batches, the squared errors that MeasuredBatches adds up, and what they are on average.

    Only node 0 is random: a mask of elements of its cotangent G. Their mean square is (1/p − 1) Σ G_ij² (‖x_i‖² + 1),
    weights and bias together, exactly, for the batch and the dropout that were drawn.
    """
    p, size = 0.25, 2
    rng = np.random.default_rng(99)
    x, labels = rng.standard_normal((40, 6)), rng.integers(3, size=40)
    first, last = (nn.Linear(n, m, rng=n, dtype=np.float64) for n, m in ((6, 8), (8, 3)))
    model = nn.Sequential(first, nn.Dropout(0.5), last)
    nn.set_vjp(model, Mask(p, axis="element"), where=lambda path, module: path == "0")
    measured = MeasuredBatches(RecordedBatches(model, (x, labels), size, rng=key), batches)
    expected = []
    for target in measured.targets:
        sweep = target.tape.sweep(target.loss, None, frozenset([0]))
        sweep.random = frozenset()
        sweep.advance()
        g, inputs = sweep.kept[0], target.tape.nodes[0].saved["x"]
        expected.append((1 / p - 1) * (np.square(g) * (np.square(inputs).sum(axis=1, keepdims=True) + 1)).sum())
    return measured.variance({"0": p}), np.mean(expected)


def test_measured_batches_give_the_variance_that_fresh_draws_have():
    """Differences from the exact mean, over 100 keys: |z| < 6 (2e-9, asymptotic); one key for all gives 0.33 of it."""
    found = np.array([squared_errors(key) for key in range(100)])
    off = found[:, 0] - found[:, 1]
    assert abs(off.mean()) < 6 * off.std(ddof=1) / np.sqrt(len(off))
    # Power: six standard errors and as many again are less than what one key for all is off by.
    assert 12 * off.std(ddof=1) / np.sqrt(len(off)) < 0.67 * found[:, 1].mean()


def test_measured_batches_with_one_key_for_all_would_be_seen(monkeypatch):
    batches, sweep = minigrad.inspect.recorded_batches, minigrad.engine.drawing
    key_at = streams.draw_key
    monkeypatch.setattr(batches, "generator", lambda domain, key, number: np.random.default_rng(key_at(key, number)))
    monkeypatch.setattr(batches, "child", lambda domain, key, number: key_at(key, number))
    monkeypatch.setattr(minigrad.engine.tape, "as_generator", lambda domain, rng: np.random.default_rng(rng))
    for maker in ("generator", "lend"):
        monkeypatch.setattr(sweep, maker, lambda domain, key, *places: np.random.default_rng([key, *places]))
    found = np.array([squared_errors(key) for key in range(40)])
    assert found[:, 0].sum() / found[:, 1].sum() < 0.5  # ⅓: dropout leaves nothing where the mask keeps something


def test_the_choice_of_a_batch_its_dropout_and_its_draws_are_three_things(monkeypatch):
    """What an inspection of batches asks of the one place: no stream twice, but where the same is drawn again."""
    asked = []
    real = streams._sequence
    monkeypatch.setattr(streams, "_sequence", lambda *triple: asked.append(triple) or real(*triple))
    squared_errors(3, batches=4)
    kinds = {domain for domain, _, _ in asked}
    assert {Domain.BATCH, Domain.RECORDING, Domain.FORWARD, Domain.DRAW, Domain.BACKWARD} <= kinds
    streams_of = [triple for triple in asked if triple[0] is not Domain.INITIALISATION]
    assert len(set(streams_of)) == len(streams_of)


# ---------------------------------------------------------------------------------------------------------------------
# Determinism, and what it costs
# ---------------------------------------------------------------------------------------------------------------------


def two_layers(first, second):
    w, v = (mg.Tensor(np.ones((4, 4)), requires_grad=True) for _ in range(2))
    with mg.Tape(rng=0) as tape:
        loss = ops.linear(ops.linear(np.eye(4), w, vjp=first), v, vjp=second).sum()
    return tape, loss, [w, v]


def test_making_one_node_exact_shifts_no_other_draw():
    mask = Mask(0.5)
    tape, loss, leaves = two_layers(mask, mask)
    both = tape.gradients(loss, leaves, rng=3)
    again = tape.gradients(loss, leaves, rng=3)
    tape.nodes[0].vjp = None
    alone = tape.gradients(loss, leaves, rng=3)
    assert all((a == b).all() for a, b in zip(both, again, strict=True))
    assert (both[1] == alone[1]).all() and not (both[0] == alone[0]).all()


def test_the_inputs_of_one_node_draw_separately():
    """One draw for all inputs, and one for each: three streams."""
    asked = []

    class Watch(mg.Estimator):
        def sample(self, g, node, rng):
            asked.append(start(rng))
            return g

    for vjp in (Watch(), {"x": Watch(), "w": Watch()}):
        x, w = mg.Tensor(np.ones((2, 2)), requires_grad=True), mg.Tensor(np.ones((2, 2)), requires_grad=True)
        with mg.Tape() as tape:
            loss = ops.linear(x, w, vjp=vjp).sum()
        tape.gradients(loss, [x, w], rng=0)
    assert len(asked) == len(set(asked)) == 3


def test_nothing_is_derived_where_nothing_is_drawn(monkeypatch):
    tape, loss, leaves = two_layers(None, None)

    def never(*args):
        raise AssertionError("a stream was derived")

    for module, name in (
        (minigrad.engine.drawing, "generator"),
        (minigrad.engine.tape, "as_generator"),
        (minigrad.engine.tape, "key_of"),
    ):
        monkeypatch.setattr(module, name, never)
    tape.gradients(loss, leaves)
    loss.backward()


def test_a_generator_moves_on_by_one_draw_whether_or_not_a_node_draws():
    after = []
    for vjp in (None, Mask(0.5)):
        tape, loss, leaves = two_layers(vjp, vjp)
        rng = np.random.default_rng(5)
        tape.gradients(loss, leaves, rng=rng)
        after.append(start(rng))
    assert after[0] == after[1]


@pytest.mark.parametrize("rng", [-1, 1.5, "0"])
def test_a_seed_that_is_none_is_refused_even_where_nothing_is_drawn(rng):
    tape, loss, leaves = two_layers(None, None)
    with pytest.raises((TypeError, ValueError), match="rng="):
        tape.gradients(loss, leaves, rng=rng)


def test_initialisers_of_ones_own_get_a_generator_of_the_library():
    got = []

    def init(shape, fan_in, rng, dtype):
        got.append(rng)
        return np.random.default_rng(rng).random(shape)  # passes a Generator through

    layer = nn.Linear(3, 2, rng=4, init=init, dtype=np.float64)
    assert isinstance(got[0], np.random.Generator)
    assert not np.array_equal(layer.weight.data, np.random.default_rng(4).random((2, 3)))
    assert np.array_equal(layer.weight.data, as_generator(Domain.INITIALISATION, 4).random((2, 3)))


def test_training_derives_no_stream_twice(monkeypatch):
    """Initial values, order, dropout, masks, augmentation and measurements of a run that has one seed for all."""
    asked = []
    real = streams._sequence
    monkeypatch.setattr(streams, "_sequence", lambda *triple: asked.append(triple) or real(*triple))
    x, y = np.zeros((24, 4), np.float32), np.arange(24) % 3
    model = nn.mlp((4, 8, 8, 3), dropout=0.5, vjp=Mask(0.5), rng=0)
    training.fit(
        model, (x, y), optimizer=mg.optim.SGD(model, lr=0.1), epochs=2, batch_size=8, rng=0, progress=False,
        augment=lambda x, rng: x + rng.random(x.shape, np.float32), callbacks=[training.AdaptiveBudget(0.1, every=2)],
    )  # fmt: skip
    kinds = {domain for domain, _, _ in asked}
    wanted = {Domain.INITIALISATION, Domain.ORDER, Domain.FORWARD, Domain.BACKWARD, Domain.AUGMENTATION, Domain.BATCH}
    assert wanted <= kinds
    # Steps ask for their key as often as they need it, and a measurement compares budgets on the same draws.
    once = [triple for triple in asked if triple[0] in wanted - {Domain.BACKWARD}]
    assert len(set(once)) == len(once)
    starts = {start(np.random.default_rng(real(*triple))) for triple in asked}
    assert len(starts) == len(set(asked))


def test_estimators_called_by_hand_take_a_seed_and_repeat():
    g = np.ones((6, 8))
    for estimator in (Mask(0.5), RandomProjection(0.5)):
        a, b, c = (estimator.sample(g, rng=seed) for seed in (0, 0, 1))
        assert (a.dense() == b.dense()).all() and not (a.dense() == c.dense()).all()


def test_reports_on_one_tape_with_one_seed_are_repeatable():
    tape, loss, leaves = two_layers(Mask(0.5), Mask(0.5))
    first, second = (inspect.variance(tape, loss, leaves, draws=20, rng=1).total for _ in range(2))
    assert first == second
