from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from conftest import bars
from convoscope.data import Dataset, Normalisation
from convoscope.data.augment import Augmentation
from convoscope.data.mixing import Mixing
from convoscope.data.text import TextPolicy, Texts
from convoscope.data.vocabulary import Vocabulary
from convoscope.errors import RecipeError
from convoscope.train.feed import Feed, training_feed
from convoscope.train.recipe import Recipe

PLAIN = Normalisation("none", (0.0,), (1.0,))
CPU = torch.device("cpu")


def uneven(counts: tuple[int, ...] = (40, 7, 0, 3), side: int = 6) -> Dataset:
    """Images whose every pixel is the image's own number, in mixed-up order."""
    labels = np.repeat(np.arange(len(counts)), counts).astype(np.int64)
    labels = np.random.default_rng(0).permutation(labels)
    images = np.broadcast_to(np.arange(len(labels), dtype=np.uint8)[:, None, None, None], (len(labels), 1, side, side))
    return Dataset(images.copy(), labels, tuple("abcd"[: len(counts)]), "uneven")


def test_without_balance_an_epoch_is_every_image_once_in_the_order_it_always_was() -> None:
    feed = Feed(bars(100), PLAIN, CPU, seed=3)
    generator = torch.Generator().manual_seed(3 * 1_000_003 + 2)
    assert torch.equal(feed.order(2), torch.randperm(100, generator=generator))


def test_sampling_shows_classes_equally_often_and_each_of_a_classs_images_as_often_as_the_others() -> None:
    data = uneven()
    feed = Feed(data, PLAIN, CPU, balance="sampling", seed=1)
    for epoch in range(5):
        order = feed.order(epoch)
        assert len(order) == 50
        assert len(order.unique()) == 50  # no example comes twice in the same shape
        seen = np.bincount(order.numpy() % 50, minlength=50)
        by_class = np.bincount(data.labels, weights=seen, minlength=4)
        assert sorted(by_class[[0, 1, 3]]) == [16, 17, 17]
        assert by_class[2] == 0
        for k in (0, 1, 3):
            own = seen[data.labels == k]
            assert own.max() - own.min() <= 1
        times = order.numpy() // 50
        for example in np.unique(order.numpy() % 50):
            assert sorted(times[order.numpy() % 50 == example]) == list(range(seen[example]))
    assert torch.equal(feed.order(3), Feed(data, PLAIN, CPU, balance="sampling", seed=1).order(3))
    assert not torch.equal(feed.order(3), feed.order(4))


def test_who_gets_one_more_changes_from_epoch_to_epoch() -> None:
    feed = Feed(uneven((9, 9, 9, 2)), PLAIN, CPU, balance="sampling")
    labels = feed.labels.numpy()
    more = {int(np.bincount(labels[feed.order(epoch).numpy() % 29], minlength=4).argmax()) for epoch in range(30)}
    assert more == {0, 1, 2, 3}


def test_one_image_drawn_twice_is_changed_twice() -> None:
    data = uneven((30, 2))
    data = Dataset(bars(32, side=12).images, data.labels, data.class_names, "x")
    feed = Feed(data, PLAIN, CPU, balance="sampling", augmentation=Augmentation(shift=0.3, rotate=20))
    order = feed.order(0)
    rare = order[feed.labels[order % 32] == 1]
    x, labels = feed.batch(rare, 0)
    assert len(rare) == 16
    assert bool((labels == 1).all())
    assert len(x.flatten(1).unique(dim=0)) == 16
    again, _ = feed.batch(rare[5:7], 0)
    assert torch.equal(again, x[5:7])


def test_weights_are_one_over_the_class_size_and_one_in_the_mean() -> None:
    data = uneven()
    feed = Feed(data, PLAIN, CPU, balance="weights")
    lesson = feed.lesson(torch.arange(50), 0)
    ((labels, worth),) = lesson.targets
    assert worth is not None
    assert torch.equal(labels, lesson.labels)
    expected = {0: 50 / (3 * 40), 1: 50 / (3 * 7), 3: 50 / (3 * 3)}
    torch.testing.assert_close(worth, torch.tensor([expected[int(label)] for label in labels]))
    assert float(worth.double().mean()) == pytest.approx(1, abs=1e-6)
    assert lesson.worth is not None
    assert torch.equal(lesson.worth, worth)
    # The judged one sees nothing of it.
    assert torch.equal(feed.batch(torch.arange(50), 0)[0], Feed(data, PLAIN, CPU).batch(torch.arange(50), 0)[0])


def test_a_plain_lesson_is_the_batch() -> None:
    feed = Feed(bars(20), PLAIN, CPU, augmentation=Augmentation(shift=0.2))
    lesson = feed.lesson(torch.arange(20), 1)
    x, labels = feed.batch(torch.arange(20), 1)
    assert torch.equal(lesson.x, x)
    assert torch.equal(lesson.labels, labels)
    assert lesson.worth is None
    ((target, weight),) = lesson.targets
    assert torch.equal(target, labels)
    assert weight is None


def mixed_of(lesson_x: torch.Tensor, own: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """The number of the partner, of images whose every pixel is their number."""
    value = lesson_x[:, 0, 0, 0].double()
    return ((value - share * own) / (1 - share)).round()


def test_partners_come_from_the_whole_training_set_and_are_another_image() -> None:
    data = uneven((100, 100), side=1)
    feed = Feed(data, PLAIN, CPU, mixing=Mixing(mixup=1.0))
    index = torch.arange(20)  # one small batch: partners lie outside it all the same
    found: set[int] = set()
    for epoch in range(200):
        lesson = feed.lesson(index, epoch)
        (first, share), (second, rest) = lesson.targets
        assert share is not None
        assert rest is not None
        torch.testing.assert_close(share + rest, torch.ones(20))
        sure = (share < 0.9) & (share > 0.02)
        partner = mixed_of(lesson.x, index.double(), share.double())[sure].long()
        assert torch.equal(feed.labels[partner], second[sure])
        assert not bool((partner == index[sure]).any())
        assert torch.equal(first, feed.labels[index])
        assert torch.equal(lesson.labels, torch.where(share >= 0.5, first, second))
        found |= set(partner.tolist())
    assert found == set(range(200))


def test_partners_are_drawn_as_the_epochs_are() -> None:
    data = uneven((180, 20))
    index = torch.arange(200)
    for balance, expected in (("none", 0.1), ("weights", 0.1), ("sampling", 0.5)):
        feed = Feed(data, PLAIN, CPU, mixing=Mixing(cutmix=1.0), balance=balance)
        rare = [float((feed.lesson(index, epoch).targets[1][0] == 1).float().mean()) for epoch in range(20)]
        assert np.mean(rare) == pytest.approx(expected, abs=0.03)


def test_mixed_labels_weigh_by_their_own_classes() -> None:
    data = uneven((45, 5))
    plain = Feed(data, PLAIN, CPU, mixing=Mixing(mixup=0.5)).lesson(torch.arange(50), 0)
    weighed = Feed(data, PLAIN, CPU, mixing=Mixing(mixup=0.5), balance="weights").lesson(torch.arange(50), 0)
    worth = torch.tensor([50 / 90, 5.0])
    for (labels, share), (same, both) in zip(plain.targets, weighed.targets, strict=True):
        assert torch.equal(labels, same)
        assert share is not None
        assert both is not None
        torch.testing.assert_close(both, share * worth[labels])
    assert torch.equal(plain.x, weighed.x)
    assert weighed.worth is not None
    torch.testing.assert_close(weighed.worth, worth[weighed.labels])


@pytest.mark.parametrize("balance", ["none", "weights", "sampling"])
def test_a_lesson_in_parts_is_the_lesson(balance: str) -> None:
    feed = Feed(
        bars(60, n_classes=4), PLAIN, CPU, balance=balance, mixing=Mixing(0.4, 1.0), seed=2,
        augmentation=Augmentation(shift=0.2, rotate=15, flip=True, contrast=0.3, mask=0.1, border="edge"),
    )  # fmt: skip
    order = feed.order(4)[:37]
    whole = feed.lesson(order, 4)
    for pieces in (order.tensor_split(2), order.tensor_split(5), order.split(1)):
        parts = [feed.lesson(piece, 4) for piece in pieces]
        assert torch.equal(torch.cat([part.x for part in parts]), whole.x)
        for i in (0, 1):
            labels, weights = whole.targets[i]
            assert torch.equal(torch.cat([part.targets[i][0] for part in parts]), labels)
            assert weights is not None
            assert torch.equal(torch.cat([w for part in parts if (w := part.targets[i][1]) is not None]), weights)


def test_a_single_image_is_mixed_with_itself() -> None:
    feed = Feed(uneven((1,)), PLAIN, CPU, mixing=Mixing(mixup=1.0))
    assert feed.lesson(torch.arange(1), 0).targets[1][0].tolist() == [0]


def texts() -> Texts:
    """Ten texts of four words, each word in it the text's own."""
    words = tuple(f"w{i}{j}" for i in range(10) for j in range(4))
    policy = TextPolicy(Vocabulary(words), 4)
    originals = [" ".join(words[i * 4 : i * 4 + 4]) for i in range(10)]
    return replace(policy.texts(originals, ("a", "b"), "texts"), labels=np.array([0] * 8 + [1] * 2, np.int64))


def test_texts_are_balanced_too() -> None:
    feed = Feed(texts(), PLAIN, CPU, balance="sampling")
    order = feed.order(0)
    x, labels = feed.batch(order, 0)
    assert np.bincount(labels.numpy()).tolist() == [5, 5]
    assert torch.equal(x, torch.from_numpy(texts().values).long()[order % 10])
    weights = Feed(texts(), PLAIN, CPU, balance="weights").lesson(torch.arange(10), 0).targets[0][1]
    assert weights is not None
    torch.testing.assert_close(weights, torch.tensor([10 / 16] * 8 + [10 / 4] * 2))


def test_a_recipe_makes_the_feed_it_speaks_of() -> None:
    recipe = Recipe(
        flip=True, alternate=True, crop=0.5, aspect=1.5, border="edge", rotate=3, shift=0.1, mask=0.1, brightness=0.1,
        contrast=0.2, saturation=0.3, hue=20, mixup=0.2, cutmix=1.0, balance="sampling", seed=9, epochs=1, batch_size=4,
    )  # fmt: skip
    colour = Dataset(np.zeros((8, 3, 5, 5), np.uint8), np.arange(8) % 2, ("a", "b"), "colour")
    feed = training_feed(colour, Normalisation("none", (0.0,) * 3, (1.0,) * 3), recipe, CPU)
    assert feed.augmentation is not None
    for name, value in feed.augmentation.to_dict().items():
        assert value == getattr(recipe, name), name
    assert feed.mixing == Mixing(0.2, 1.0)
    assert feed.balance.way == "sampling"
    assert feed.seed == 9
    with pytest.raises(RecipeError, match="the images are grey"):
        training_feed(bars(8), PLAIN, recipe, CPU)


def test_an_empty_part_can_be_fed() -> None:
    empty = bars(4).take(np.empty(0, np.int64))
    for balance in ("none", "weights", "sampling"):
        feed = Feed(empty, PLAIN, CPU, balance=balance)
        assert len(feed.order(0)) == 0
        assert feed.batch(torch.empty(0, dtype=torch.long), 0)[0].shape == (0, 1, 12, 12)
