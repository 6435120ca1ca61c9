"""Rules that follow their settings file while a worker runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

import structlog

from stream_worker.rule_settings import RuleSettings
from stream_worker.settings import SettingsError, load_settings

log = structlog.get_logger(__name__)

_LOOK_EVERY_S = 1.0


class WatchedRules:
    """The rules in force, looked up anew between batches.

    A file that cannot be used is told in the log and leaves the rules as they are.

    Parameters
    ----------
    rules
        In force at the start.
    file
        Settings file to watch; None keeps the rules for ever.
    load
        Reads the rules of the file anew; raises SettingsError.
    """

    def __init__(
        self,
        rules: RuleSettings,
        *,
        file: Path | None = None,
        load: Callable[[], RuleSettings] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.current = rules
        self._file = file
        self._load = load
        self._monotonic = monotonic
        self._looked_at = monotonic()
        self._content = _content(file)

    @property
    def current(self) -> RuleSettings:
        """The rules in force."""
        return self._current

    @current.setter
    def current(self, rules: RuleSettings) -> None:
        self._current = rules
        self._hash = rules.hash  # once: every score and every outcome carries it

    @property
    def hash(self) -> str:
        """Hash of the rules in force."""
        return self._hash

    def refresh(self) -> RuleSettings:
        """Return the rules in force, after a look at the file at most once a second."""
        now = self._monotonic()
        if self._file is None or self._load is None or now - self._looked_at < _LOOK_EVERY_S:
            return self.current
        self._looked_at = now
        content = _content(self._file)
        if content != self._content:
            self._content = content
            self._replace(self._load)
        return self.current

    def _replace(self, load: Callable[[], RuleSettings]) -> None:
        try:
            rules = load()
        except SettingsError as error:
            log.critical("settings file cannot be used, rules unchanged", faults=error.faults)
            return
        if rules == self.current:
            log.info("settings file changed, rules unchanged; other settings need a restart")
            return
        before, after = self.current.model_dump(mode="json"), rules.model_dump(mode="json")
        changed = {name: [before[name], after[name]] for name in after if before[name] != after[name]}
        log.info("rules changed", changed=changed, before=self.hash, settings_hash=rules.hash)
        self.current = rules


def watch_rules(rules: RuleSettings, file: Path | None, environ: Mapping[str, str]) -> WatchedRules:
    """Watch the settings file; the environment still overrules it."""
    return WatchedRules(rules, file=file, load=lambda: load_settings(environ, file=file).rules)


def _content(file: Path | None) -> bytes | None:
    try:
        return None if file is None else file.read_bytes()
    except OSError:
        return None
