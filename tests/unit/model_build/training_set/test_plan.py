from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from model_build.dataset import DatasetError
from model_build.training_set.crops import Crop, Offer
from model_build.training_set.plan import ORIGINS, PAPER_COPIES, make_plan, most_crops
from model_build.training_set.split import SPLITS
from model_build.training_set.stars import LabelledStar
from stream_worker.bundle import CLASSES

PAPER_STARS = {"yes": 1825, "maybe": 1190, "no": 2038}
PAPER_EXAMPLES = {"yes": 10902, "maybe": 7404, "no": 12008}


def stars_of(counts, per_cluster=1):
    labels = [CLASSES.index(name) for name, count in counts.items() for _ in range(count)]
    return [
        LabelledStar(f"star{n}", n // per_cluster, label, f"last{n}", f"first{n}" if n % 2 else None)
        for n, label in enumerate(labels)
    ]


def offers_for(stars, n_crops):
    """As many crops of each star as ``n_crops`` says; first dates give none."""
    offers = {}
    for star in stars:
        crops = tuple(Crop(float(n), 100.0 + n) for n in range(n_crops(star)))
        offers[star.candidate_id] = Offer(star.candidate_id, usable=True, crops=crops)
        if star.first_candidate_id is not None:
            offers[star.first_candidate_id] = Offer(star.first_candidate_id, usable=True, crops=())
    return offers


def planned(stars, offers, others=(), **options):
    return make_plan(
        stars, others, offers, **{"split_by": "cluster", "copies": PAPER_COPIES, "seed": 1} | options
    )


def examples_of(plan):
    return [one for examples in plan.examples.values() for one in examples]


def as_many_as_asked(star):
    return most_crops(PAPER_COPIES[CLASSES[star.label]])


def test_the_papers_counts_come_out():
    stars = stars_of(PAPER_STARS)
    plan = planned(stars, offers_for(stars, as_many_as_asked))
    kept = [one for one in examples_of(plan) if ORIGINS[one.origin] != "first"]
    by_class = Counter(CLASSES[one.label] for one in kept)
    assert by_class == PAPER_EXAMPLES
    sizes = Counter(SPLITS[one.split] for one in kept)
    for split, expected in (("train", 24276), ("validation", 3014), ("test", 3024)):
        assert sizes[split] == pytest.approx(expected, rel=0.02)
    for split, expected in (("train", 4046), ("validation", 503), ("test", 504)):
        assert sum(plan.report["stars"][split].values()) == pytest.approx(expected, abs=5)
    told = {split: sum(of_class.values()) for split, of_class in plan.report["examples"].items()}
    assert told == sizes


def test_every_star_is_there_whole_once_and_its_crops_on_its_side():
    stars = stars_of({"yes": 60, "maybe": 40, "no": 50}, per_cluster=2)
    examples = examples_of(planned(stars, offers_for(stars, as_many_as_asked)))
    whole = Counter(one.star_id for one in examples if ORIGINS[one.origin] == "labelled")
    assert whole == dict.fromkeys((star.star_id for star in stars), 1)
    for key in ("star_id", "cluster"):
        side = {getattr(one, key): one.split for one in examples}
        assert all(one.split == side[getattr(one, key)] for one in examples)
    for one in examples:
        assert (one.crop is None) is (ORIGINS[one.origin] != "crop")
    assert len({(one.candidate_id, one.origin, one.crop) for one in examples}) == len(examples)


def test_first_dates_are_no_examples_to_train_on():
    stars = stars_of({"yes": 60, "maybe": 40, "no": 50})
    plan = planned(stars, offers_for(stars, as_many_as_asked))
    first = [one for one in examples_of(plan) if ORIGINS[one.origin] == "first"]
    assert len(first) == 75 == sum(sum(of.values()) for of in plan.report["first"].values())
    assert not any(one.of_paper for one in first)
    assert {one.candidate_id for one in first} == {f"first{n}" for n in range(1, 150, 2)}


def test_last_listings_are_examples_on_the_side_of_their_star():
    stars = [
        replace(star, last_candidate_id=f"end{n}" if n % 3 == 0 else None)
        for n, star in enumerate(stars_of({"yes": 60, "maybe": 40, "no": 50}))
    ]
    offers = offers_for(stars, as_many_as_asked)
    offers |= {f"end{n}": Offer(f"end{n}", usable=n != 9, crops=()) for n in range(0, 150, 3)}
    plan = planned(stars, offers)
    side = {one.star_id: one.split for one in examples_of(plan) if ORIGINS[one.origin] == "labelled"}
    last = [one for one in examples_of(plan) if ORIGINS[one.origin] == "last"]
    assert {one.candidate_id for one in last} == {f"end{n}" for n in range(0, 150, 3) if n != 9}
    assert all(one.split == side[one.star_id] and not one.of_paper for one in last)
    assert sum(sum(of.values()) for of in plan.report["last"].values()) == len(last)


def test_other_stars_are_trained_on_unless_a_sibling_is_held_out():
    stars = stars_of({"yes": 60, "maybe": 60, "no": 60})
    others = [
        LabelledStar(f"other{n}", n if n < 180 else 1000 + n, 2, f"its{n}", None, f"its last{n}")
        for n in range(0, 300, 2)
    ]
    offers = offers_for(stars, as_many_as_asked)
    for star in others:
        for name in (star.candidate_id, star.last_candidate_id):
            offers[name] = Offer(name, usable=name != "its200", crops=())
    plan = planned(stars, offers, others)
    side = {one.cluster: SPLITS[one.split] for one in examples_of(plan) if ORIGINS[one.origin] == "labelled"}
    found = [one for one in examples_of(plan) if ORIGINS[one.origin] == "other"]
    kept = [star for star in others if side.get(star.cluster, "train") == "train"]
    assert 0 < len(kept) < len(others)
    expected = {name for star in kept for name in (star.candidate_id, star.last_candidate_id)} - {"its200"}
    assert {one.candidate_id for one in found} == expected
    assert {SPLITS[one.split] for one in found} == {"train"}
    assert plan.report["others"] == {"yes": 0, "maybe": 0, "no": len(kept)}
    assert plan.report["others_held_out"] == len(others) - len(kept)
    alone = planned(stars, offers_for(stars, as_many_as_asked))
    assert [one for one in examples_of(plan) if one not in found] == examples_of(alone)


def test_a_first_candidate_that_is_also_the_last_is_twice_there():
    stars = [
        LabelledStar(star.star_id, star.cluster, star.label, star.candidate_id, star.candidate_id)
        for star in stars_of({"yes": 20, "maybe": 20, "no": 20})
    ]
    plan = planned(stars, offers_for(stars, lambda _: 7), copies=dict.fromkeys(CLASSES, 1.0))
    for examples in plan.examples.values():
        assert [ORIGINS[one.origin] for one in examples] == ["labelled", "first"]


def test_stars_that_give_more_crops_stand_in_for_those_that_give_fewer():
    stars = stars_of({"yes": 100, "maybe": 100, "no": 100})
    plan = planned(stars, offers_for(stars, lambda star: 0 if int(star.star_id[4:]) % 10 == 0 else 7))
    told = Counter()
    for of_class in plan.report["examples"].values():
        told.update(of_class)
    assert told == {"yes": 597, "maybe": 622, "no": 589}
    assert plan.report["stars_by_crops"]["0"] == 30


def test_where_crops_run_out_all_are_used():
    stars = stars_of({"yes": 30, "maybe": 30, "no": 30})
    plan = planned(stars, offers_for(stars, lambda _: 2))
    assert sum(sum(of.values()) for of in plan.report["examples"].values()) == 270


def test_splitting_by_star_leaks_siblings_and_the_report_says_how_many():
    stars = stars_of({"yes": 90, "maybe": 90, "no": 90}, per_cluster=3)
    offers = offers_for(stars, lambda _: 0)
    by_cluster, by_star = (planned(stars, offers, split_by=by) for by in ("cluster", "star"))
    assert by_cluster.report["siblings_of_training"] == by_star.report["siblings_of_training"]
    leaks = by_star.report["siblings_of_training"]
    assert leaks["cluster"] == {"validation": 0, "test": 0}
    side = {one.cluster: set() for one in examples_of(by_star)}
    for one in examples_of(by_star):
        side[one.cluster].add(SPLITS[one.split])
    for split in ("validation", "test"):
        found = {
            one.star_id
            for one in examples_of(by_star)
            if SPLITS[one.split] == split and "train" in side[one.cluster]
        }
        assert len(found) == leaks["star"][split] > 0


def test_stars_that_cannot_be_prepared_are_left_out_before_the_split():
    stars = stars_of({"yes": 40, "maybe": 40, "no": 40})
    offers = offers_for(stars, lambda _: 0)
    for star in stars[::4]:
        offers[star.candidate_id] = Offer(star.candidate_id, usable=False, crops=())
    plan = planned(stars, offers)
    assert plan.report["too_few_observations"] == 30
    assert {one.star_id for one in examples_of(plan)} == {s.star_id for s in stars} - {
        s.star_id for s in stars[::4]
    }
    assert {split: sum(of.values()) for split, of in plan.report["stars"].items()} == {
        "train": 72,
        "validation": 9,
        "test": 9,
    }


def test_a_side_without_a_class_is_an_error():
    stars = stars_of({"yes": 40, "maybe": 3, "no": 40})
    message = "validation has no maybe (of 3), test has no maybe (of 3); each side"
    with pytest.raises(DatasetError, match=re.escape(message)):
        planned(stars, offers_for(stars, lambda _: 0))


def test_seeds_draw_other_splits_and_equal_seeds_the_same():
    stars = stars_of({"yes": 60, "maybe": 60, "no": 60})
    offers = offers_for(stars, as_many_as_asked)
    first, again, other = (planned(stars, offers, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first.examples != other.examples


def test_one_crop_more_than_wanted_is_asked_for():
    assert [most_crops(copies) for copies in (1.0, 1.2, 5.97, 6.22)] == [0, 2, 6, 7]
    assert np.ceil(5.97) - 1 < most_crops(5.97)
