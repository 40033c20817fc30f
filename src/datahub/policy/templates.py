"""Templates: parametrised ODRL policies from `policies/templates`, filled by structure and never by text.

Each file holds metadata, a schema per parameter, the policy with `{"$parameter": name}` in it, and its own examples.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from datahub.policy.model import Fault, PolicyFaults
from datahub.policy.parse import read_policy
from datahub.policy.parse_constraints import child
from datahub.policy.registry import Operand, expand
from datahub.policy.values import NotAValueError, read_value, write_value
from datahub.policy.vocabulary import library


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a template: its sort, whether it takes several values, and what it means."""

    name: str
    sort: str
    title: Mapping[str, str]
    several: bool = False
    required: bool = True
    default: object = None
    choices: tuple[object, ...] = ()


@dataclass(frozen=True, slots=True)
class Template:
    """A parametrised policy with its wording."""

    name: str
    title: Mapping[str, str]
    description: Mapping[str, str]
    parameters: tuple[Parameter, ...]
    policy: Mapping[str, object]
    patterns: tuple[str, ...]
    examples: tuple[Mapping[str, Any], ...]

    def schema(self) -> dict[str, object]:
        """Return the JSON Schema (2020-12) of the parameters."""
        return {
            "type": "object",
            "properties": {each.name: _schema(each) for each in self.parameters},
            "required": [each.name for each in self.parameters if each.required],
            "additionalProperties": False,
        }


@cache
def templates() -> tuple[Template, ...]:
    """Return every template, by name."""
    files = sorted((library() / "templates").glob("*.json"))
    return tuple(_template(json.loads(file.read_text(encoding="utf-8"))) for file in files)


def _template(row: Mapping[str, Any]) -> Template:
    parameters = tuple(
        Parameter(name, **{**given, "choices": tuple(given.get("choices", ()))})
        for name, given in row["parameters"].items()
    )
    examples = tuple(row["examples"])
    described = (row["title"], row["description"])
    return Template(row["name"], *described, parameters, row["policy"], tuple(row["patterns"]), examples)


def template(name: str) -> Template:
    """Return one template. Raises PolicyFaults (`unknown-template`)."""
    for each in templates():
        if each.name == name:
            return each
    known = ", ".join(each.name for each in templates())
    fault = Fault("/template", "unknown-template", f"There is no template “{name}”.", f"Use one of {known}.")
    raise PolicyFaults((fault,))


def fill_template(name: str, parameters: Mapping[str, object]) -> dict[str, object]:
    """Return the template's ODRL policy with the parameters filled in; its `@id` is still the template's.

    Raises PolicyFaults: every missing, unknown or wrong parameter at once, by pointer into `parameters`.
    """
    chosen = template(name)
    faults: list[Fault] = []
    known = {each.name for each in chosen.parameters}
    for each in parameters:
        if each not in known:
            remedy = f"Known are {', '.join(sorted(known))}." if known else "This template takes none."
            message = f"“{each}” is no parameter of {name}."
            faults.append(Fault(child("", each), "unknown-parameter", message, remedy))
    values: dict[str, object] = {}
    for parameter in chosen.parameters:
        if parameter.name in parameters:
            values[parameter.name] = _checked(parameter, parameters[parameter.name], faults)
        elif parameter.required:
            remedy = f"Give it: {parameter.title['en']}."
            message = f"{name} needs “{parameter.name}”."
            faults.append(Fault(child("", parameter.name), "missing-parameter", message, remedy))
        else:
            values[parameter.name] = parameter.default
    if faults:
        raise PolicyFaults(tuple(faults))
    filled = _filled(chosen.policy, values)
    if not isinstance(filled, dict):  # pragma: no cover (a template's policy is an object)
        raise TypeError(name)
    read_policy(filled)
    return filled


def _checked(parameter: Parameter, given: object, faults: list[Fault]) -> object:
    """Return the value as JSON-LD constants, or collect its faults."""
    at = child("", parameter.name)
    if parameter.several and (not isinstance(given, list | tuple) or not given):
        message = f"“{parameter.name}” is a list of at least one value."
        faults.append(Fault(at, "wrong-type", message, "Write a non-empty list."))
        return None
    checked = []
    for place, each in enumerate(given if parameter.several and isinstance(given, list | tuple) else [given]):
        here = child(at, place) if parameter.several else at
        if parameter.choices and each not in parameter.choices:
            message = f"“{each}” is none of {', '.join(map(str, parameter.choices))}."
            faults.append(Fault(here, "unknown-choice", message, "Choose one of these."))
            continue
        try:
            checked.append(_constant(parameter, each))
        except NotAValueError as wrong:
            faults.append(Fault(here, wrong.code, str(wrong), wrong.remedy))
    if parameter.several:
        return checked
    return checked[0] if checked else None


def _constant(parameter: Parameter, raw: object) -> object:
    if parameter.sort == "name":
        return read_value(_AS_TEXT, raw)
    sort = "column" if parameter.sort == "any" else parameter.sort
    value = read_value(Operand(parameter.name, sort, "", ""), raw)
    return write_value(value, sort)


_AS_TEXT: Final = Operand("name", "text", "", "")


def _filled(node: object, values: Mapping[str, object]) -> object:
    """Put the values in place; `{"$term": prefix, "$parameter": name}` makes a term that ends in the value."""
    match node:
        case {"$parameter": str(name), "$term": str(prefix)}:
            return expand(f"{prefix}{values[name]}")
        case {"$parameter": str(name)}:
            return values[name]
        case Mapping():
            filled = (
                (key, _filled(value, values))
                for key, value in node.items()
                if key != "$when" and _wanted(value, values)
            )
            return {key: value for key, value in filled if value not in ([], None)}
        case list():
            return [_filled(each, values) for each in node if _wanted(each, values)]
        case _:
            return node


def _wanted(node: object, values: Mapping[str, object]) -> bool:
    """Leave out a part marked `$when` when its parameter was not given."""
    return not (isinstance(node, Mapping) and "$when" in node and values.get(str(node["$when"])) is None)


_JSON_TYPES: Final = {"number": "number", "counter": "integer", "boolean": "boolean"}
_FORMATS: Final = {"instant": "date-time", "duration": "duration", "date": "date"}


def _schema(parameter: Parameter) -> dict[str, object]:
    one: dict[str, object] = (
        {} if parameter.sort == "any" else {"type": _JSON_TYPES.get(parameter.sort, "string")}
    )
    if parameter.sort in _FORMATS:
        one["format"] = _FORMATS[parameter.sort]
    if parameter.choices:
        one["enum"] = list(parameter.choices)
    whole = {"type": "array", "items": one, "minItems": 1} if parameter.several else one
    return whole | {"title": parameter.title["en"]}
