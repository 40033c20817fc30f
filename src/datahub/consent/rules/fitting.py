"""Whether a consent rule can be right, by itself and beside the columns of its dataset. Pure.

GDPR art. 6(1) (bases), 7 (consent), 9(2)(a) (special categories), 21 (objection).
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from datahub.consent.models import Basis, Choice
from datahub.consent.rules.purposes import ANYBODY, CLASS, purposes_below
from datahub.kernel.errors import Fault

SPECIAL = "special-category"
# basis → what the person can be asked under it; the first is what is meant when nothing is said
CHOICES: Mapping[Basis, tuple[Choice, ...]] = {
    Basis.CONSENT: (Choice.OPT_IN,),
    Basis.CONTRACT: (Choice.NONE, Choice.OPT_OUT),
    Basis.LEGAL_OBLIGATION: (Choice.NONE, Choice.OPT_OUT),
    Basis.PUBLIC_TASK: (Choice.OPT_OUT, Choice.NONE),
    Basis.LEGITIMATE_INTEREST: (Choice.OPT_OUT,),
    Basis.VITAL_INTEREST: (Choice.NONE, Choice.OPT_OUT),
}


def purpose_faults(purposes: Sequence[Mapping[str, Any]], classes: Mapping[str, Any]) -> list[Fault]:
    """Return what is wrong with the purposes of a rule, each as it will be stored."""
    faults = []
    seen: set[str] = set()
    for at, each in enumerate(purposes):
        where = f"/purposes/{at}"
        if each["purpose"] in seen:
            faults.append(Fault(f"{where}/purpose", "comes twice; one purpose is one decision", "duplicate"))
        seen.add(each["purpose"])
        allowed = CHOICES[Basis(each["basis"])]
        if each["choice"] not in allowed:
            words = " or ".join(allowed)
            faults.append(Fault(f"{where}/choice", f"{each['basis']} means {words}", "choice-and-basis"))
        if each["isExplicit"] and each["basis"] != Basis.CONSENT:
            faults.append(Fault(f"{where}/explicit", "only consent can be explicit", "explicit-and-basis"))
        for n, name in enumerate(each["recipients"]):
            if name.startswith(CLASS) and name != ANYBODY and name.removeprefix(CLASS) not in classes:
                faults.append(
                    Fault(f"{where}/recipients/{n}", "names a class that is not defined", "unknown-class")
                )
    return faults


def column_faults(
    subjects: Iterable[str], purposes: Iterable[Mapping[str, Any]], columns: Iterable[str]
) -> list[Fault]:
    """Return a fault for each column that a rule names and the dataset does not have."""
    there = frozenset(columns)
    named = [(f"/subjects/{at}", name) for at, name in enumerate(subjects)]
    named += [
        (f"/purposes/{at}/data/{n}", name)
        for at, each in enumerate(purposes)
        for n, name in enumerate(each["data"] or ())
    ]
    return [
        Fault(pointer, f"the dataset has no column {name!r}", "missing-column")
        for pointer, name in named
        if name not in there
    ]


def special_faults(
    purposes: Iterable[Mapping[str, Any]] | None, columns: Iterable[Mapping[str, Any]]
) -> list[Fault]:
    """Return a fault for each way in which special-category columns could leave without explicit consent.

    `purposes` None: the dataset has no rule at all.
    """
    special = frozenset(each["name"] for each in columns if each.get("sensitivity") == SPECIAL)
    if not special:
        return []
    if purposes is None:
        detail = f"{', '.join(sorted(special))}: special categories of data need a consent rule"
        return [Fault("", detail, "no-consent-rule")]
    return [
        Fault(
            f"/purposes/{at}",
            f"{', '.join(sorted(touched))}: special categories of data need explicit consent",
            "no-explicit-consent",
        )
        for at, each in enumerate(purposes)
        if (touched := special if each["data"] is None else special & frozenset(each["data"]))
        and not (each["basis"] == Basis.CONSENT and each["isExplicit"])
    ]


def terms_faults(
    wanted: frozenset[str], purposes: Iterable[Mapping[str, Any]] | None, *, has_rows: bool
) -> list[Fault]:
    """Return a fault for each way in which terms that want consent could never let a row leave.

    `wanted`: purposes the terms are about, empty for any. `purposes` None: the dataset has no rule at all.
    """
    where = "/policy/permission"
    if not has_rows:
        detail = "the policy wants consent, and of whole files no rows can be left out"
        return [Fault(where, detail, "consent-needs-rows")]
    if purposes is None:
        detail = "the policy wants consent, and the dataset has no consent rule that says whose"
        return [Fault(where, detail, "no-consent-rule")]
    asked = [each["purpose"] for each in purposes if each["choice"] == Choice.OPT_IN]
    if any(not wanted or not wanted.isdisjoint(purposes_below(each)) for each in asked):
        return []
    known = ", ".join(asked) or "none"
    detail = (
        f"the policy wants consent for a purpose that people are not asked about; they are asked: {known}"
    )
    return [Fault(where, detail, "consent-not-asked")]


def digest_of(value: Any) -> str:
    """Return the SHA-256 of a JSON value in one form: sorted names, no blanks."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
