"""The thresholds and rules in force: the part of the settings that may change while a worker runs."""

from __future__ import annotations

import hashlib
import json
from types import MappingProxyType
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from stream_worker.neighbours.rules import GroupingRules


class RuleSettings(BaseModel):
    """Thresholds and rules in force; their hash is in every score, alert and outcome."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    thresholds: dict[str, float] = Field(default_factory=lambda: {"balanced": 0.45, "pure": 0.955})
    event_thresholds: dict[str, float] = Field(
        default_factory=lambda: {"possible": 0.1, "likely": 0.5},
        description="UPDATE when p_event crosses one",
    )
    publish_threshold: str = Field(default="balanced", description="primaries are published from here")
    group_threshold: str = Field(default="balanced", description="candidates take part in grouping from here")
    pure_threshold: str = Field(default="pure", description="crowded primaries are published from here")
    stale_after_days: float = Field(default=2.0, gt=0, description="older newest points make an alert stale")
    neighbour_radius_arcsec: float = Field(default=20.0, gt=0, le=60)
    same_star_arcsec: float = Field(default=1.0, ge=0, description="ids this near are one star in a crowd")
    crowd_limit: int = Field(default=10, ge=0, description="more other stars within the radius are a crowd")
    memory_days: float = Field(default=6.0, gt=0, description="longest difference in t_cut of neighbours")
    lateness_days: float = Field(
        default=24.0, gt=0, description="live candidates further behind the newest t_cut come too late"
    )
    forget_days: float = Field(default=200.0, gt=0, description="live published stars are remembered so long")
    update_growth_factor: float = Field(
        default=2.0, gt=1, description="UPDATE when delta_chi2 has grown so since the last alert"
    )
    hold_ms: int = Field(default=2_000, ge=0, le=60_000, description="wait for stronger neighbours")

    @model_validator(mode="after")
    def _known(self) -> Self:
        known = ", ".join(sorted(self.thresholds))
        for role in ("publish_threshold", "group_threshold", "pure_threshold"):
            name = getattr(self, role)
            if name not in self.thresholds:
                raise ValueError(f"{role} {name!r} is not one of: {known}")
        for which, of in (("thresholds", self.thresholds), ("event_thresholds", self.event_thresholds)):
            if outside := {k: v for k, v in of.items() if not 0 <= v <= 1}:
                raise ValueError(f"{which} must be within 0 and 1, got {outside}")
        if twice := sorted(self.thresholds.keys() & self.event_thresholds.keys()):
            raise ValueError(f"named in both thresholds and event_thresholds: {', '.join(twice)}")
        if self.thresholds[self.group_threshold] > self.publish_at:
            raise ValueError(
                f"group_threshold {self.group_threshold!r} is above publish_threshold "
                f"{self.publish_threshold!r}: what is published must take part in grouping"
            )
        if self.forget_days < self.memory_days + self.lateness_days:
            raise ValueError(
                f"forget_days {self.forget_days:g} is less than memory_days + lateness_days = "
                f"{self.memory_days + self.lateness_days:g}"
            )
        return self

    @property
    def publish_at(self) -> float:
        """The publishing threshold of p_review."""
        return self.thresholds[self.publish_threshold]

    @property
    def hash(self) -> str:
        """First 16 hex digits of the SHA-256 of the canonical JSON of these rules."""
        canonical = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]

    @property
    def grouping(self) -> GroupingRules:
        """The part that the grouping of neighbours knows."""
        return GroupingRules(
            radius_arcsec=self.neighbour_radius_arcsec,
            memory_days=self.memory_days,
            same_star_arcsec=self.same_star_arcsec,
            crowd_limit=self.crowd_limit,
            lateness_days=self.lateness_days,
            forget_days=self.forget_days,
            growth_factor=self.update_growth_factor,
            thresholds=MappingProxyType(dict(self.thresholds)),
            event_thresholds=MappingProxyType(dict(self.event_thresholds)),
            group_threshold=self.group_threshold,
            publish_threshold=self.publish_threshold,
            pure_threshold=self.pure_threshold,
            hold_ms=self.hold_ms,
        )
