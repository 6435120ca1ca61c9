"""Sections of a configuration file: tables that become frozen dataclasses, with every fault named.

The types of a section's fields say what is allowed: bool, int, float, str, ``Literal``, tuples,
``Mapping[str, T]``, other sections, and ``Annotated`` ones with `Limits` or `Ascending`, such as
`Fraction`. A field of plain floats is checked by the end of its name (`_BY_NAME`): shares lie in
0..1, spreads are not negative, ranges ascend. A method ``faults(self) -> list[str]`` of a section
adds checks between its fields.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from typing import Annotated, Any, Final, Literal, cast, get_args, get_origin, get_type_hints


@dataclass(frozen=True, slots=True)
class Limits:
    """Inclusive limits of a number, or of every number of a tuple or mapping."""

    low: float = -math.inf
    high: float = math.inf
    above_low: bool = False


@dataclass(frozen=True, slots=True)
class Ascending:
    """The numbers of a tuple never fall."""


Fraction = Annotated[float, Limits(0.0, 1.0)]
Positive = Annotated[float, Limits(0.0, above_low=True)]
NonNegative = Annotated[float, Limits(0.0)]
PositiveInt = Annotated[int, Limits(1)]

Rule = Limits | Ascending
_BY_NAME: Final[Mapping[str, Rule]] = {
    "fraction": Limits(0.0, 1.0),
    "share": Limits(0.0, 1.0),
    "sigma": Limits(0.0),
    "scatter": Limits(0.0),
    "rate": Limits(0.0),
    "range": Ascending(),
}


_NAMES: Final[Mapping[type, str]] = {
    float: "a number",
    int: "an integer",
    str: "a string",
    bool: "true or false",
}


def read(kind: Any, value: object, where: str, faults: list[str], rules: tuple[Rule, ...] = ()) -> Any:
    """Return ``value``, as TOML gives it, as ``kind``; what is wrong is appended to ``faults``.

    Parameters
    ----------
    kind
        A section or the type of a field.
    value
        What the file holds: a table, array, number, string or bool.
    where
        Dotted path of the value, e.g. ``"seeing.night_sigma"``.
    faults
        Grows by one line for each fault; the returned value means nothing if it grew, and is None
        where it could not be made at all.
    """
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return read(arguments[0], value, where, faults, (*rules, *arguments[1:]))
    if origin is Literal:
        if value not in arguments:
            faults.append(f"{where}: {value!r} is none of {', '.join(map(repr, arguments))}")
        return value
    if origin is tuple:
        return _read_tuple(arguments, value, where, faults, rules)
    if origin is not None and issubclass(origin, Mapping):
        return _read_mapping(arguments[1], value, where, faults, rules)
    if is_dataclass(kind):
        return _read_section(cast("type[Any]", kind), value, where, faults)
    return _read_scalar(kind, value, where, faults, rules)


def as_table(value: Any) -> Any:
    """Return a section as the tables, arrays and values that `read` would make it from again."""
    if is_dataclass(value):
        return {field.name: as_table(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {name: as_table(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [as_table(one) for one in value]
    return value


def _read_section(kind: type[Any], value: object, where: str, faults: list[str]) -> Any:
    if not isinstance(value, Mapping):
        faults.append(f"{where}: {value!r} is not a table")
        return None
    known = {field.name: field for field in fields(kind)}
    prefix = f"{where}." if where else ""
    faults.extend(
        f"{prefix}{name}: unknown, expected one of {', '.join(known)}" for name in value if name not in known
    )
    hints = get_type_hints(kind, include_extras=True)
    before, given = len(faults), {}
    for name, field in known.items():
        if name in value:
            given[name] = read(hints[name], value[name], prefix + name, faults, _rules_of(name, hints[name]))
        elif field.default is MISSING and field.default_factory is MISSING:
            faults.append(f"{prefix}{name}: missing")
            given[name] = None
    if None in given.values():
        return None
    section = kind(**given)
    faults.extend(prefix + fault for fault in _own_faults(section, sure=len(faults) == before))
    return section


def _own_faults(section: Any, *, sure: bool) -> list[str]:
    """Ask a section for its faults; unless its values are ``sure``, what they make it raise is no news."""
    if not hasattr(section, "faults"):
        return []
    try:
        return list(section.faults())
    except (ArithmeticError, TypeError, ValueError):
        if sure:
            raise
        return []


def _rules_of(name: str, hint: Any) -> tuple[Rule, ...]:
    """Rules by the end of a field's name, unless its type has its own."""
    if get_origin(hint) is Annotated:
        return ()
    return tuple(rule for end, rule in _BY_NAME.items() if name.endswith(end))


def _read_mapping(kind: Any, value: object, where: str, faults: list[str], rules: tuple[Rule, ...]) -> Any:
    if not isinstance(value, Mapping):
        faults.append(f"{where}: {value!r} is not a table")
        return None
    found = {name: read(kind, one, f"{where}.{name}", faults, rules) for name, one in value.items()}
    return None if None in found.values() else found


def _read_tuple(
    kinds: tuple[Any, ...], value: object, where: str, faults: list[str], rules: tuple[Rule, ...]
) -> Any:
    if not isinstance(value, list | tuple):
        faults.append(f"{where}: {value!r} is not an array")
        return None
    if kinds[-1] is Ellipsis:
        kinds = (kinds[0],) * len(value)
    if len(kinds) != len(value):
        faults.append(f"{where}: {len(value)} values, expected {len(kinds)}")
        return None
    each = tuple(rule for rule in rules if isinstance(rule, Limits))
    found = tuple(
        read(kind, one, f"{where}[{n}]", faults, each)
        for n, (kind, one) in enumerate(zip(kinds, value, strict=True))
    )
    if None in found:
        return None
    if Ascending() in rules and list(found) != sorted(found):
        faults.append(f"{where}: {list(found)} does not ascend")
    return found


def _read_scalar(kind: Any, value: object, where: str, faults: list[str], rules: tuple[Rule, ...]) -> Any:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not kind:
        faults.append(f"{where}: {value!r} is not {_NAMES.get(kind, kind)}")
        return None
    if isinstance(value, float) and not math.isfinite(value):
        faults.append(f"{where}: {value!r} is not finite")
    elif isinstance(value, int | float) and not isinstance(value, bool):
        wrong = dict.fromkeys(_limits_fault(value, rule) for rule in rules)
        faults.extend(f"{where}: {fault}" for fault in wrong if fault)
    return value


def _limits_fault(value: float, rule: Rule) -> str:
    """Say what was expected of a number, "" if it is inside."""
    if not isinstance(rule, Limits):
        return ""
    low_is_wrong = value <= rule.low if rule.above_low else value < rule.low
    if low_is_wrong:
        return f"{value:g} is not {'above' if rule.above_low else 'at least'} {rule.low:g}"
    return f"{value:g} is not at most {rule.high:g}" if value > rule.high else ""
