"""The grouping stage on score packets, without a broker: what it writes, and what an abort takes back."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from math import isnan, nan

import numpy as np
import pytest
from support.grouping_bench import CELLS, DEC, RA, TOPICS, Bench, alerts, decoder, outcomes, read, star
from support.sky import LIVE, SPACE, sighting

import schemas
from stream_worker.changelog import stored_star
from stream_worker.codec import RegistryUnavailable, encode
from stream_worker.framing import single_object
from stream_worker.kafka.records import SourceRecord
from stream_worker.loop import RetryLater, StageFatal, StatefulStage
from stream_worker.neighbours import Space, alert_id, group_id
from stream_worker.outputs import TRACE_HEADER
from stream_worker.rule_settings import RuleSettings


def test_it_is_a_stage_that_remembers():
    assert isinstance(Bench().stage, StatefulStage)


def test_a_primary_is_published_after_the_hold_and_its_ghost_grouped_away():
    bench = Bench()
    outputs = bench.run(bench.records(star("EVENT", p_review=0.97), star("GHOST", 5, delta_chi2=200)))
    assert alerts(outputs) == outcomes(outputs) == []
    assert not bench.stage.due()
    assert bench.stage.idle_s() == 0.5
    outputs = bench.run(after_ms=1_900)
    assert outputs == []
    assert bench.stage.idle_s() == pytest.approx(0.1)
    bench.now += 100
    assert bench.stage.due()
    outputs = bench.run()
    (alert,) = read(outputs, TOPICS.scored, "alert")
    assert alert["alert_type"] == "INITIAL"
    assert alert["reason"] == "threshold_crossed:balanced"
    assert alert["group_id"] == group_id(SPACE, "EVENT")
    assert alert["alert_id"] == alert_id(alert["group_id"], alert["candidate_id"], "INITIAL", 0)
    assert alert["neighbours"]["count"] == 1
    assert alert["neighbours"]["members"][0]["star_id"] == "GHOST"
    assert alert["neighbours"]["members"][0]["separation_arcsec"] == pytest.approx(5, abs=1e-3)
    assert alert["neighbours"]["max_p_review"] == 0.6
    assert [d["passed"] for d in alert["decisions"]] == [True, True]
    assert sorted(outcomes(outputs)) == [("GROUPED_AWAY", "EVENT"), ("PUBLISHED", "INITIAL")]
    assert {o["group_id"] for o in read(outputs, TOPICS.outcomes, "outcome")} == {alert["group_id"]}
    keys = [o.key for o in outputs if o.topic == TOPICS.scored]
    assert keys == [alert["group_id"].encode()]


def test_a_stronger_neighbour_supersedes_what_was_published():
    bench = Bench()
    bench.run(bench.records(star("A")))
    assert alerts(bench.run(after_ms=2_000)) == [("INITIAL", "A", "threshold_crossed:balanced")]
    outputs = bench.run(bench.records(star("B", 5, delta_chi2=900)))
    (retraction,) = read(outputs, TOPICS.scored, "alert")
    assert (retraction["alert_type"], retraction["reason"]) == ("RETRACTION", "superseded")
    assert retraction["superseded_by"] == group_id(SPACE, "B")
    assert retraction["star_id"] == "A"
    assert retraction["neighbours"]["members"] == []
    assert alerts(bench.run(after_ms=2_000)) == [("INITIAL", "B", "threshold_crossed:balanced")]


def test_a_later_candidate_is_told_only_when_it_matters():
    bench = Bench()
    bench.run(bench.records(star("A", t_cut=9300.75)))
    bench.run(after_ms=2_000)
    told = []
    for day, delta_chi2, p_review in ((1, 600, 0.7), (2, 1000, 0.7), (3, 1000, 0.96), (4, 1100, 0.97)):
        bench.run(bench.records(star("A", t_cut=9300.75 + day, delta_chi2=delta_chi2, p_review=p_review)))
        told.append((*outcomes(out := bench.run(after_ms=2_000)), *alerts(out)))
    assert told == [
        (("UNCHANGED", None),),
        (("PUBLISHED", "UPDATE"), ("UPDATE", "A", "delta_chi2_grown")),
        (("PUBLISHED", "UPDATE"), ("UPDATE", "A", "threshold_crossed:pure")),
        (("UNCHANGED", None),),
    ]


def test_crossing_a_threshold_of_p_event_is_told_and_an_unknown_one_crosses_nothing():
    bench = Bench()
    told = []
    days = (
        (0.02, 0.6),
        (0.09, 0.6),
        (0.3, 0.6),
        (0.7, 0.96),
        (0.8, 0.96),
        (nan, 0.96),
        (0.05, 0.96),
        (0.6, 0.96),
    )
    for day, (p_event, p_review) in enumerate(days):
        bench.run(bench.records(star("A", t_cut=9300.75 + day, p_review=p_review, p_event=p_event)))
        told += [[reason for _, _, reason in alerts(bench.run(after_ms=2_000))]]
        bench.stage.restore([0])  # as another worker would go on
    assert told == [
        ["threshold_crossed:balanced"],
        [],
        ["threshold_crossed:possible"],
        ["threshold_crossed:pure"],  # p_review's comes first
        [],
        [],
        ["threshold_crossed:likely"],
        ["threshold_crossed:likely"],
    ]


def test_state_of_the_version_before_is_taken_over():
    bench = Bench()
    bench.run(bench.records(star("A", p_event=0.7)))
    bench.run(after_ms=2_000)
    before, now = schemas.load("neighbour", 1), decoder("neighbour")
    stored = {
        key: single_object(before, encode(before, _of_version_1(now(value))))
        for key, value in bench.changelog.items()
    }
    heir = Bench(stored=stored)
    heir.now, heir.offset = bench.now, bench.offset
    ((_, found),) = heir.stage._groupings[0].stars()
    assert found.published.live
    assert isnan(found.published.p_event)
    heir.run(heir.records(star("A", t_cut=9301.75, p_event=0.05)))
    assert alerts(heir.run(after_ms=2_000)) == []
    heir.run(heir.records(star("A", t_cut=9302.75, p_event=0.05, delta_chi2=1500.0)))
    assert alerts(heir.run(after_ms=2_000)) == [("UPDATE", "A", "delta_chi2_grown")]
    heir.run(heir.records(star("A", t_cut=9303.75, p_event=0.2, delta_chi2=1500.0)))
    assert alerts(heir.run(after_ms=2_000)) == [("UPDATE", "A", "threshold_crossed:possible")]


def test_a_large_state_is_restored_with_heartbeats(monkeypatch):
    monkeypatch.setattr("stream_worker.deduplicate_stage._BEAT_EVERY", 10)
    bench = Bench()
    bench.run(bench.records(*(star(f"S{number}", 60 * number) for number in range(25))))
    beats = []
    heir = Bench(stored=bench.changelog, beat=lambda: beats.append(1))
    assert 20 < len(list(heir.stage._groupings[0].stars())) <= 30
    assert len(beats) == 3


def _of_version_1(record):
    plain = [{k: v for k, v in sighting.items() if k != "p_event"} for sighting in record["history"]]
    published = {k: v for k, v in record["published"].items() if k != "p_event"}
    return record | {"history": plain, "published": published, "held": []}


def test_a_crowd_is_published_only_when_pure_and_a_live_alert_gets_an_update():
    ring = [star(f"R{n:02d}", 3 + n, 2 * n - 11, delta_chi2=100 + n) for n in range(11)]
    bench = Bench()
    bench.run(bench.records(star("A", p_review=0.9), *ring))
    assert ("CROWDED", "pure") in outcomes(bench.run(after_ms=2_000))
    bench = Bench()
    bench.run(bench.records(star("A", p_review=0.9)))
    bench.run(after_ms=2_000)
    assert alerts(bench.run(bench.records(*ring[:10]))) == []
    (update,) = read(bench.run(bench.records(ring[10])), TOPICS.scored, "alert")
    assert (update["alert_type"], update["reason"], update["star_id"]) == ("UPDATE", "crowded", "A")
    assert update["neighbours"]["crowded"]
    assert update["neighbours"]["count"] == 11


def test_repeats_halo_copies_late_and_weak_ones_have_their_outcome_at_once():
    bench = Bench()
    lon, lat = CELLS._healpix.boundaries_lonlat(CELLS._cell(np.array([RA]), np.array([DEC])), step=1)
    edge = sighting("EDGE", float(lon[0, 0].to_value("deg")), float(lat[0, 0].to_value("deg")), 9330.75)
    copies = bench.records(edge, space=LIVE)
    assert len(copies) > 2
    assert Counter(outcomes(bench.run(copies))) == {("HALO", None): len(copies) - 1}
    assert ("DUPLICATE", None) in outcomes(bench.run(bench.records(edge, space=LIVE)))
    weak = bench.run(bench.records(star("WEAK", p_review=0.44), space=LIVE))
    assert outcomes(weak) == [("BELOW_THRESHOLD", "balanced")]
    late = bench.run(bench.records(star("LATE", t_cut=9306.0), space=LIVE))
    assert outcomes(late) == [("TOO_LATE", "24.75 days behind 9330.75000")]


@pytest.mark.parametrize("space", [SPACE, Space("ARCHIVAL", "r1")])
def test_of_a_replay_nothing_is_too_late_or_forgotten(space):
    bench = Bench()
    bench.run(bench.records(star("NEW", t_cut=9600.75), space=space))
    bench.run(after_ms=2_000)
    bench.run(bench.records(star("OLD", t_cut=9300.75), space=space))
    assert alerts(bench.run(after_ms=2_000)) == [("INITIAL", "OLD", "threshold_crossed:balanced")]
    bench.run(bench.records(star("NEWEST", 100, t_cut=9900.75), space=space), after_ms=2_000)
    assert len(bench.changelog) == 3
    assert ("DUPLICATE", None) in outcomes(bench.run(bench.records(star("OLD", t_cut=9300.75), space=space)))


def test_an_aborted_batch_leaves_nothing_behind():
    bench = Bench()
    bench.run(bench.records(star("A")))
    bench.run(after_ms=2_000)
    batch = bench.records(star("B", 5, delta_chi2=900))
    first = bench.stage.process(batch)
    bench.stage.rewound()
    again = bench.run(batch)
    assert [o.value for o in again] == [o.value for o in first]
    bench.now += 2_000
    first = bench.stage.process(())
    bench.stage.rewound()
    assert bench.stage.due()
    assert [o.value for o in bench.run()] == [o.value for o in first]


def test_a_restart_goes_on_where_the_changelog_ends():
    bench = Bench()
    bench.run(bench.records(star("A"), star("B", 5, delta_chi2=400, t_cut=9301.75)))
    heir = Bench(stored=bench.changelog)
    heir.now = bench.now + 2_000
    assert heir.stage.due()
    outputs = heir.run()
    assert alerts(outputs) == [("INITIAL", "A", "threshold_crossed:balanced")]
    assert sorted(outcomes(outputs)) == [("GROUPED_AWAY", "A"), ("PUBLISHED", "INITIAL")]
    assert ("DUPLICATE", None) in outcomes(heir.run(heir.records(star("A"))))
    heir.stage.drop([0])
    assert not heir.stage.due()


def test_the_changelog_gives_back_every_star_as_it_was():
    bench = Bench()
    bench.run(bench.records(star("A", p_event=0.3), star("C", 400)))
    bench.run(bench.records(star("A", t_cut=9302.75, p_event=0.4)), after_ms=2_000)
    stored = dict(stored_star(decoder("neighbour")(value)) for value in bench.changelog.values())
    assert stored == dict(bench.stage._groupings[0].stars())
    assert any(s.held for s in stored.values())
    assert any(s.published for s in stored.values())


def test_an_operator_retracts_for_good():
    bench = Bench()
    bench.run(bench.records(star("A")))
    assert outcomes(bench.run([bench.order(star("A"))])) == [("UNCHANGED", "not_live")]
    bench.run(after_ms=2_000)
    outputs = bench.run([bench.order(star("A"))])
    assert alerts(outputs) == [("RETRACTION", "A", "operator: bleed trail")]
    assert outcomes(outputs) == [("PUBLISHED", "RETRACTION")]
    bench.run(bench.records(star("A", t_cut=9301.75, p_review=0.99)))
    outputs = bench.run(after_ms=2_000)
    assert alerts(outputs) == []
    assert outcomes(outputs) == [("UNCHANGED", "operator")]


def traced(trace, records):
    return [replace(record, headers=(*record.headers, (TRACE_HEADER, trace))) for record in records]


def told_under(outputs):
    """Type, star and trace of every alert."""
    sent = [dict(o.headers)[TRACE_HEADER] for o in outputs if o.topic == TOPICS.scored]
    return [(kind, name, trace) for (kind, name, _), trace in zip(alerts(outputs), sent, strict=True)]


def test_an_alert_has_the_trace_of_the_record_that_caused_it():
    bench = Bench()
    bench.run(traced(b"t1", bench.records(star("A"))))
    heir = Bench(stored=bench.changelog)
    heir.now, heir.offset = bench.now, bench.offset
    assert told_under(heir.run(after_ms=2_000)) == [("INITIAL", "A", b"t1")]
    heir.run(traced(b"t2", heir.records(star("A", t_cut=9301.75, delta_chi2=1000))))
    assert told_under(heir.run(after_ms=2_000)) == [("UPDATE", "A", b"t2")]
    superseding = heir.run(traced(b"t3", heir.records(star("B", 5, t_cut=9301.75, delta_chi2=2000))))
    assert told_under(superseding) == [("RETRACTION", "A", b"t3")]
    assert told_under(heir.run(after_ms=2_000)) == [("INITIAL", "B", b"t3")]
    order = heir.order(star("B", 5))
    (untraced,) = heir.records(star("B", 5, t_cut=9301.75))
    candidate = decoder("score")(untraced.value)["candidate_id"].encode()
    assert told_under(heir.run([order])) == [("RETRACTION", "B", candidate)]


def test_live_and_replayed_candidates_never_meet():
    bench = Bench()
    replayed = Space("ARCHIVAL", "r1")
    bench.run([*bench.records(star("A")), *bench.records(star("B", 5), space=replayed)])
    assert {a[1] for a in alerts(bench.run(after_ms=2_000))} == {"A", "B"}


def test_new_rules_judge_only_what_comes_after_them():
    bench = Bench()
    bench.run(bench.records(star("A")))
    bench.run(after_ms=2_000)
    before = bench.watched.current.hash
    bench.watched.current = RuleSettings(thresholds={"balanced": 0.7, "pure": 0.9})
    outputs = bench.run(bench.records(star("B", 100)))
    (outcome,) = read(outputs, TOPICS.outcomes, "outcome")
    assert (outcome["outcome"], outcome["settings_hash"]) == (
        "BELOW_THRESHOLD",
        bench.watched.current.hash,
    )
    assert outcome["settings_hash"] != before
    assert alerts(bench.run(after_ms=2_000)) == []


def test_a_wider_radius_finds_what_is_already_known():
    bench = Bench()
    bench.run(bench.records(star("A", delta_chi2=900)))
    bench.run(after_ms=2_000)
    bench.watched.current = RuleSettings(neighbour_radius_arcsec=40)
    bench.run(bench.records(star("B", 35)))
    assert outcomes(bench.run(after_ms=2_000)) == [("GROUPED_AWAY", "A")]


def test_old_stars_are_forgotten_by_event_time():
    bench = Bench()
    bench.run(
        bench.records(star("A", t_cut=9300.75), star("GHOST", 5, t_cut=9300.75, delta_chi2=1), space=LIVE)
    )
    bench.run(after_ms=2_000)
    assert len(bench.changelog) == 2
    bench.run(bench.records(star("B", 100, t_cut=9331.0), space=LIVE))
    kept = {stored_star(decoder("neighbour")(v))[0].star_id for v in bench.changelog.values()}
    assert kept == {"A", "B"}, "a published star is remembered"
    bench.run(bench.records(star("C", 200, t_cut=9501.0), space=LIVE), after_ms=2_000)
    kept = {stored_star(decoder("neighbour")(v))[0].star_id for v in bench.changelog.values()}
    assert "A" not in kept


def test_a_t_cut_in_the_future_does_not_age_the_others():
    bench = Bench()
    bench.run(bench.records(star("ODD", t_cut=99_999.0), star("A", 100), space=LIVE))
    assert {a[1] for a in alerts(bench.run(after_ms=2_000))} == {"ODD", "A"}


def test_a_bad_score_is_quarantined_alone():
    bench = Bench()
    good, odd = bench.records(star("A")), bench.records(star("B", delta_chi2=float("nan")))
    junk = SourceRecord(TOPICS.scores, 0, 99, b"k", b"junk")
    outputs = bench.run([*odd[:1], junk, *good])
    assert [q["reason"] for q in read(outputs, TOPICS.quarantine, "quarantine")] == [
        "record_failed",
        "not_framed",
    ]
    assert outcomes(outputs) == [("QUARANTINED", "record_failed"), ("QUARANTINED", "not_framed")]
    assert {a[1] for a in alerts(bench.run(after_ms=2_000))} == {"A"}


def test_a_registry_out_of_reach_loses_nothing():
    def out_of_reach(_):
        raise RegistryUnavailable("down")

    bench = Bench(decode_score=out_of_reach)
    with pytest.raises(RetryLater, match="down"):
        bench.stage.process(bench.records(star("A")))


def test_a_state_that_cannot_be_read_stops_the_stage():
    with pytest.raises(StageFatal, match=r"lensnet.neighbours\[0\]"):
        Bench(stored={b"k": b"junk"})


def test_ids_are_deterministic_and_apart():
    live, replayed = group_id(Space("CURRENT", None), "s"), group_id(Space("ARCHIVAL", "r1"), "s")
    assert live == group_id(Space("CURRENT", None), "s") != replayed
    assert len({alert_id(live, "c", t, r) for t in ("INITIAL", "UPDATE") for r in (0, 1)}) == 4


def test_a_registry_out_of_reach_when_a_hold_ends_loses_nothing():
    """What was held before a restart may have been written with a schema that this process never saw."""
    reachable = [True]

    def decode_score(packet):
        if not reachable[0]:
            raise RegistryUnavailable("no registry")
        return decoder("score")(packet)

    bench = Bench(decode_score=decode_score)
    bench.run(bench.records(star("EVENT")))
    reachable[0] = False
    with pytest.raises(RetryLater, match="no registry"):
        bench.run(after_ms=2_000)
    bench.stage.rewound()
    reachable[0] = True
    assert alerts(bench.run()) == [("INITIAL", "EVENT", "threshold_crossed:balanced")]


def test_a_state_that_waits_for_the_registry_is_waited_for():
    """A worker that takes a partition over while the registry is away must not die of it."""
    first = Bench()
    first.run(first.records(star("EVENT")))
    reachable = [False]

    def decode_state(packet):
        if not reachable[0]:
            raise RegistryUnavailable("no registry")
        return decoder("neighbour")(packet)

    heir = Bench(stored=first.changelog, decode_state=decode_state)
    heir.now, heir.offset = first.now + 2_000, first.offset
    assert heir.stage.due(), "an idle poll tries again too"
    for records in ((), heir.records(star("OTHER", 300))):
        with pytest.raises(RetryLater, match="no registry"):
            heir.stage.process(records)
        heir.stage.rewound()
    reachable[0] = True
    assert alerts(heir.run()) == [("INITIAL", "EVENT", "threshold_crossed:balanced")]
    assert not heir.stage.due()


def test_a_state_that_waits_is_forgotten_with_its_partition():
    def decode_state(_):
        raise RegistryUnavailable("no registry")

    heir = Bench(stored={b"k": b"v"}, decode_state=decode_state)
    heir.stage.drop([0])
    assert not heir.stage.due()
    assert heir.run() == []


def test_a_record_of_a_partition_without_state_is_not_quarantined():
    bench = Bench()
    bench.stage.drop([0])
    with pytest.raises(StageFatal, match=r"lensnet.scores\[0\]@0 came without the state of its partition"):
        bench.stage.process(bench.records(star("A")))


def test_a_partition_without_a_changelog_stops_the_stage():
    bench = Bench()
    bench.stage._read_state = lambda partitions: {p: {} for p in partitions if p < 3}
    with pytest.raises(
        StageFatal, match=r"lensnet.neighbours lacks the partitions \[3\] that lensnet.scores"
    ):
        bench.stage.restore([2, 3])


def test_an_alert_tells_its_age_when_it_is_sent():
    """The grouping stage may be days behind: what was fresh when it was scored is not any more."""
    for space in (SPACE, Space("ARCHIVAL", "r1")):
        bench = Bench()
        records = bench.records(star("EVENT"), space=space)
        score = decoder("score")(records[0].value)
        bench.run(records)
        (alert,) = read(bench.run(after_ms=3 * 86_400_000), TOPICS.scored, "alert")
        now = bench.now / 86_400_000 + 2_440_587.5 - 2_450_000
        age = score["data_age_days"] if space.replay_id else now - score["hjd_last"]
        assert alert["data_age_days"] == pytest.approx(age)
        assert alert["stale"] == (score["stale"] if space.replay_id else True)


def test_an_update_or_retraction_of_an_old_score_is_as_old_as_the_rules_now_say():
    bench = Bench()
    bench.run(bench.records(star("A", p_review=0.9)))
    bench.run(after_ms=2_000)
    bench.watched.current = RuleSettings(stale_after_days=10_000)
    for days, records in (
        (3, [star(f"R{n:02d}", 3 + n, 2 * n - 11, delta_chi2=100 + n) for n in range(11)]),
        (4, [star("B", 1.5, delta_chi2=900)]),
    ):
        (alert,) = read(
            bench.run(bench.records(*records), after_ms=days * 86_400_000), TOPICS.scored, "alert"
        )
        now = bench.now / 86_400_000 + 2_440_587.5 - 2_450_000
        assert alert["data_age_days"] == pytest.approx(now - alert["hjd_last"])
        assert alert["stale"] == (alert["data_age_days"] > 10_000)
        bench.run(after_ms=2_000)
    assert alert["alert_type"] == "RETRACTION"


def test_an_alert_counts_all_neighbours_and_lists_the_nearest():
    """A flood of stars in one place must not make an alert that its topic refuses."""
    bench = Bench()
    ghosts = [star(f"GHOST{n:04d}", 0.03 * n, delta_chi2=90.0) for n in range(1, 251)]
    bench.run(bench.records(star("EVENT", p_review=0.97), *ghosts))
    outputs = [o for o in bench.run(after_ms=2_000) if o.topic == TOPICS.scored]
    (alert,) = read(outputs, TOPICS.scored, "alert")
    assert (alert["star_id"], alert["neighbours"]["count"]) == ("EVENT", 250)
    listed = [member["star_id"] for member in alert["neighbours"]["members"]]
    assert listed == [ghost.star_id for ghost in ghosts[:200]]
