"""The shape of the network, apart from the libraries that build it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from stream_worker.bundle import BRANCHES
from stream_worker.preprocessing import FEATURES

Encoder = Literal["lstm", "cnn"]


@dataclass(frozen=True, slots=True)
class NetworkOptions:
    """Shape of the network. The defaults are those of Viaña et al. 2025 (sizes not printed there are ours).

    Parameters
    ----------
    encoder
        ``"lstm"``, or ``"cnn"``: strided convolutions instead, the baseline of sec. 6.
    lstm_units, dense, dropout
        Units of each site's LSTM, of the dense layers after the merger, and the rate after the first.
    observation_units
        Units of a dense layer on each observation, whose mean over the observations goes to the merger,
        too; 0 for none.
    patch
        So many successive observations become one step of the LSTM; 1 for none.
    pooling
        ``"last"``: the LSTM's final state; ``"attention"``: with it a weighted mean of all its states.
    shared
        One encoder for all sites instead of one each.
    sites
        Sites that are looked at; of others the data are ignored.
    without
        Features that are not looked at.
    """

    encoder: Encoder = "lstm"
    lstm_units: int = 64
    dense: tuple[int, ...] = (64, 32)
    dropout: float = 0.3
    observation_units: int = 0
    patch: int = 1
    pooling: Literal["last", "attention"] = "last"
    shared: bool = False
    sites: tuple[str, ...] = BRANCHES
    without: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        faults = [f"sites: {name!r} is none of {BRANCHES}" for name in self.sites if name not in BRANCHES]
        faults += [f"without: {name!r} is no feature" for name in self.without if name not in FEATURES]
        faults += [f"{n} must be at least 1" for n in ("lstm_units", "patch") if getattr(self, n) < 1]
        if "one" in self.without:
            faults.append("without: 'one' tells observations from padding")
        if not self.sites or len(set(self.sites)) != len(self.sites):
            faults.append(f"sites must be named once each, got {self.sites}")
        if self.observation_units < 0 or not 0.0 <= self.dropout < 1.0:
            faults.append("observation_units must not be negative, dropout 0 to below 1")
        if self.encoder not in ("lstm", "cnn") or self.pooling not in ("last", "attention"):
            faults.append(f"no encoder {self.encoder!r} with pooling {self.pooling!r}")
        if faults:
            raise ValueError("; ".join(faults))
