"""Ingest reports as text for people and as JSON for scripts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stream_worker.candidate import Candidate
from stream_worker.ingest.pysis import PysisError
from stream_worker.ingest.run import ArchiveReport, IngestReport


def pysis_text(report: IngestReport, out: Path | None = None) -> str:
    """Return a line per file, then what was sent, or written to ``out``, or why nothing was."""
    lines = [
        f"{one.path}: {one.site} {one.dataset}, {one.rows_used} of {one.rows} observations up to t_cut"
        if report.candidate
        else f"{one.path}: {one.site} {one.dataset}, {one.rows} observations"
        for one in report.read
    ]
    lines += [f"{one.path}: left out, {one.reason}" for one in report.left_out]
    lines += [f"{fault}: file not used" for fault in report.faults]
    if report.candidate is None:
        lines.append(f"{report.star.star_id}: no candidate: {report.failure}")
    else:
        lines.append(_candidate_text(report.candidate, report.packet_bytes, out))
    lines += [f"notice: {notice}" for notice in report.notices]
    return "\n".join(lines)


def pysis_json(report: IngestReport) -> dict[str, Any]:
    """Return the report in plain values; ``ok`` is whether a candidate was sent and no file was at fault."""
    return {
        "ok": report.ok,
        "star_id": report.star.star_id,
        "t_cut": report.t_cut,
        "read": [
            {
                "path": str(one.path),
                "site": one.site,
                "dataset": one.dataset,
                "rows": one.rows,
                "rows_used": one.rows_used,
            }
            for one in report.read
        ],
        "left_out": [{"path": str(one.path), "reason": one.reason} for one in report.left_out],
        "faults": [_fault_json(fault) for fault in report.faults],
        "candidate": None if report.candidate is None else _candidate_json(report.candidate),
        "packet_bytes": report.packet_bytes,
        "failure": report.failure,
        "notices": list(report.notices),
    }


def archive_text(report: ArchiveReport) -> str:
    """Return what was sent and which archives could not be read to their end."""
    lines = [
        f"{fault.path}: {fault.reason} (after {fault.sent_before} candidates, which were sent)"
        for fault in report.faults
    ]
    size = report.packet_bytes / 1e6
    lines.append(f"sent {report.candidates} candidates of {report.files} archives, {size:.1f} MB")
    return "\n".join(lines)


def archive_json(report: ArchiveReport) -> dict[str, Any]:
    """Return the report in plain values."""
    return {
        "ok": report.ok,
        "files": report.files,
        "candidates": report.candidates,
        "packet_bytes": report.packet_bytes,
        "faults": [
            {"path": str(fault.path), "reason": fault.reason, "sent_before": fault.sent_before}
            for fault in report.faults
        ],
    }


def _candidate_text(candidate: Candidate, packet_bytes: int, out: Path | None) -> str:
    found = candidate.alertfinder
    done = "sent" if out is None else f"wrote to {out}"
    return (
        f"{candidate.star_id}: {done} candidate {candidate.candidate_id} ({packet_bytes} bytes): t_cut "
        f"{found.t_cut:.5f}, rising since {found.t_break:.5f} at {found.slope:.1f} flux per day, delta_chi2 "
        f"{found.delta_chi2:.1f} ({found.site} {found.dataset}, {found.n_high} of the newest 20 high)"
    )


def _candidate_json(candidate: Candidate) -> dict[str, Any]:
    found = candidate.alertfinder
    return {
        "candidate_id": candidate.candidate_id,
        "tense": candidate.tense.value,
        "field": candidate.field,
        "baseline_mag": candidate.baseline_mag,
        "site": found.site,
        "dataset": found.dataset,
        "n_high": found.n_high,
        "t_break": found.t_break,
        "t_cut": found.t_cut,
        "slope": found.slope,
        "delta_chi2": found.delta_chi2,
    }


def _fault_json(fault: PysisError) -> dict[str, Any]:
    return {
        "path": str(fault.path),
        "line": fault.line,
        "column": fault.column,
        "value": fault.value,
        "expected": fault.expected,
    }
