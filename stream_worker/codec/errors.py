"""Why a packet is refused: one exception, and a closed list of reason codes."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Reason codes of quarantined packets, as they stand in the quarantine and outcome records."""

    NO_VALUE = "no_value"  # the record has no value (a tombstone)
    OVERSIZE = "oversize"  # larger than the configured limit
    NOT_FRAMED = "not_framed"  # neither single-object encoding nor Confluent framing
    UNKNOWN_SCHEMA = "unknown_schema"  # the writer's schema can't be found, read, or is of another record
    INCOMPATIBLE_SCHEMA = "incompatible_schema"  # the writer's schema can't be resolved to the reader's
    TRUNCATED = "truncated"  # the bytes end before the value does
    DECLARED_TOO_LONG = "declared_too_long"  # a declared length that no packet can hold
    MALFORMED_AVRO = "malformed_avro"  # any other violation of the Avro binary encoding
    EMPTY_FIELD = "empty_field"
    NAME_TOO_LONG = "name_too_long"
    NOT_FINITE = "not_finite"
    POSITION_OUT_OF_RANGE = "position_out_of_range"
    PRODUCED_AT_OUT_OF_RANGE = "produced_at_out_of_range"
    N_HIGH_OUT_OF_RANGE = "n_high_out_of_range"
    UNKNOWN_SITE = "unknown_site"
    NO_LIGHT_CURVES = "no_light_curves"
    TOO_MANY_LIGHT_CURVES = "too_many_light_curves"
    DUPLICATE_DATASET = "duplicate_dataset"
    EMPTY_ARRAY = "empty_array"
    UNEQUAL_LENGTHS = "unequal_lengths"
    T_BREAK_AFTER_T_CUT = "t_break_after_t_cut"
    T_CUT_AFTER_PRODUCED_AT = "t_cut_after_produced_at"
    CANDIDATE_ID_MISMATCH = "candidate_id_mismatch"


class BadPacket(Exception):
    """A packet that can never be processed: quarantine it and go on.

    Parameters
    ----------
    reason : Reason
        Code for counting and filtering.
    message : str
        Where, which value, what was expected.
    candidate_id : str or None
        The candidate, where the packet could be read that far.
    """

    def __init__(self, reason: Reason, message: str, candidate_id: str | None = None) -> None:
        super().__init__(reason, message, candidate_id)
        self.reason = reason
        self.message = message
        self.candidate_id = candidate_id

    def __str__(self) -> str:
        return f"{self.reason}: {self.message}"
