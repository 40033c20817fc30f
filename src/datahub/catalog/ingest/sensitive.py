"""Columns that look personal: a suggestion to the provider, in DPV's words, with the reason; never a decision.

DPV 2.2, extension Personal Data (https://w3id.org/dpv/pd). A column without a suggestion may well be personal.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from datahub.catalog.ingest.columns import Kind, Suggestion

_ENOUGH = 0.8
"""This share of the values looked at has the form."""
_FEWEST = 3
BSN_DIGITS = 9


@dataclass(frozen=True)
class _Sign:
    category: str
    name: re.Pattern[str] | None
    value: Callable[[str], bool] | None = None


def _named(*words: str) -> re.Pattern[str]:
    return re.compile(rf"(?:^|_)(?:{'|'.join(words)})(?:_|$)")


def _matching(pattern: str) -> Callable[[str], bool]:
    compiled = re.compile(pattern)
    return lambda text: compiled.fullmatch(text) is not None


def is_citizen_number(text: str) -> bool:
    """Tell whether a text passes the eleven test of a Dutch citizen service number."""
    if not (text.isascii() and text.isdigit() and len(text) == BSN_DIGITS and text != "0" * BSN_DIGITS):
        return False
    digits = [int(each) for each in text]
    return (sum((BSN_DIGITS - at) * digit for at, digit in enumerate(digits[:-1])) - digits[-1]) % 11 == 0


_SIGNS = (
    _Sign(
        "EmailAddress",
        _named("e?mail", "email_?address", "emailadres"),
        _matching(r"[^@\s]+@[^@\s]+\.[^@\s]+"),
    ),
    _Sign(
        "OfficialID", _named("bsn", "ssn", "burgerservicenummer", "passport", "paspoort"), is_citizen_number
    ),
    _Sign(
        "TelephoneNumber",
        _named("phone", "telephone", "telefoon", "telefoonnummer", "tel", "mobile", "mobiel"),
        _matching(r"(?:\+|00)[1-9][\d ()-]{7,17}|0[1-9][\d -]{7,10}"),
    ),
    _Sign(
        "BankAccount",
        _named("iban", "bank_?account", "rekening", "rekeningnummer"),
        _matching(r"[A-Z]{2}\d{2}[A-Z0-9]{11,30}"),
    ),
    _Sign("IPAddress", _named("ip", "ip_?address", "ip_?adres"), _matching(r"(?:\d{1,3}\.){3}\d{1,3}")),
    _Sign(
        "BirthDate",
        _named("born", "birth", "birth_?date", "date_?of_?birth", "dob", "geboren", "geboortedatum"),
    ),
    _Sign(
        "Name",
        _named(
            "name", "naam", "first_?name", "last_?name", "surname", "voornaam", "achternaam", "full_?name"
        ),
    ),
    _Sign(
        "PhysicalAddress",
        _named("address", "adres", "street", "straat", "postcode", "postal_?code", "zip", "huisnummer"),
    ),
    _Sign("Gender", _named("gender", "geslacht", "sex")),
    _Sign("Age", _named("age", "leeftijd")),
    _Sign("Nationality", _named("nationality", "nationaliteit")),
    _Sign("Ethnicity", _named("ethnicity", "etniciteit")),
    _Sign("Religion", _named("religion", "religie", "geloof")),
    _Sign("MaritalStatus", _named("marital_?status", "burgerlijke_?staat")),
    _Sign("Income", _named("income", "inkomen", "salary", "salaris")),
    _Sign(
        "MedicalHealth", _named("diagnosis", "diagnose", "medication", "medicatie", "icd10?", "zorg", "care")
    ),
    _Sign(
        "Identifying",
        _named("subject", "person", "persoon", "patient", "subject_?id", "person_?id", "patient_?id"),
    ),
)


def suggestion(name: str, kind: Kind, sample: Sequence[object]) -> Suggestion | None:
    """Return what a column may hold of people, by what its values look like or else by its name; None: no sign."""
    texts = [str(value) for value in sample if value is not None]
    if kind in {Kind.STRING, Kind.INT64} and len(texts) >= _FEWEST:
        for sign in _SIGNS:
            if sign.value is not None and sum(map(sign.value, texts)) >= _ENOUGH * len(texts):
                return Suggestion(f"https://w3id.org/dpv/pd#{sign.category}", "values")
    plain = re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower())
    for sign in _SIGNS:
        if sign.name is not None and sign.name.search(plain):
            return Suggestion(f"https://w3id.org/dpv/pd#{sign.category}", "name")
    return None
