"""Groupings of several partitions, driven as the stage drives them but without a broker."""

from __future__ import annotations

from collections import Counter, defaultdict

from stream_worker.neighbours import Alert, Grouping, Outcome, alert_id

NOW = 1_900_000_000_000


class Driven:
    """Drives groupings of several partitions as the stage does, and follows what readers see."""

    def __init__(self, rules):
        self.rules = rules
        self.groupings = defaultdict(lambda: Grouping(rules))
        self.outcomes, self.live, self.alerts = {}, {}, Counter()

    def batch(self, partition, records, now, *, abort=False):
        grouping = self.groupings[partition]
        if abort:
            self._process(grouping, records, now)
            grouping.rollback()
        effects = self._process(grouping, records, now)
        grouping.commit()
        self.see(partition, effects)

    def _process(self, grouping, records, now):
        effects = []
        for record in records:
            effects += grouping.take(record, now)
        return effects + grouping.release(now)

    def restart(self, partition):
        stored = list(self.groupings[partition].stars())
        self.groupings[partition] = Grouping(self.rules)
        for key, star in stored:
            self.groupings[partition].load(key, star, NOW)

    def finish(self):
        for partition, grouping in self.groupings.items():
            effects = grouping.release()
            grouping.commit()
            self.see(partition, effects)

    def see(self, partition, effects):
        for effect in effects:
            if isinstance(effect, Outcome):
                assert self.outcomes.setdefault((partition, effect.offset), effect) is effect
                continue
            assert isinstance(effect, Alert)
            candidate = effect.body.decode()
            assert candidate, "no score to make the alert of"
            self.alerts[alert_id(effect.group_id, candidate, effect.type, effect.revision)] += 1
            assert (effect.type == "INITIAL") == (effect.group_id not in self.live)
            if effect.type == "RETRACTION":
                del self.live[effect.group_id]
            else:
                self.live[effect.group_id] = effect

    def strongest(self):
        return {
            key.star_id: verdict.strongest
            for grouping in self.groupings.values()
            for key, verdict in grouping.verdicts()
        }
