"""The closed lists a dataset's metadata draws on: codes of the EU authority tables (Publications Office).

The code is what is stored and sent; `authority_iri` gives the address that DCAT documents use.
"""

from enum import StrEnum

_AUTHORITY = "http://publications.europa.eu/resource/authority/"


class Theme(StrEnum):
    """EU data themes (authority table `data-theme`)."""

    AGRI = "AGRI"
    ECON = "ECON"
    EDUC = "EDUC"
    ENER = "ENER"
    ENVI = "ENVI"
    GOVE = "GOVE"
    HEAL = "HEAL"
    INTR = "INTR"
    JUST = "JUST"
    REGI = "REGI"
    SOCI = "SOCI"
    TECH = "TECH"
    TRAN = "TRAN"


class AccessRights(StrEnum):
    """Who may have the data at all (authority table `access-right`)."""

    PUBLIC = "PUBLIC"
    RESTRICTED = "RESTRICTED"
    NON_PUBLIC = "NON_PUBLIC"


class Frequency(StrEnum):
    """How often new data comes (authority table `frequency`)."""

    ANNUAL = "ANNUAL"
    ANNUAL_2 = "ANNUAL_2"
    ANNUAL_3 = "ANNUAL_3"
    AS_NEEDED = "AS_NEEDED"
    BIENNIAL = "BIENNIAL"
    BIHOURLY = "BIHOURLY"
    BIMONTHLY = "BIMONTHLY"
    BIWEEKLY = "BIWEEKLY"
    CONT = "CONT"
    DAILY = "DAILY"
    DAILY_2 = "DAILY_2"
    DECENNIAL = "DECENNIAL"
    HOURLY = "HOURLY"
    IRREG = "IRREG"
    MONTHLY = "MONTHLY"
    MONTHLY_2 = "MONTHLY_2"
    MONTHLY_3 = "MONTHLY_3"
    NEVER = "NEVER"
    NOT_PLANNED = "NOT_PLANNED"
    OTHER = "OTHER"
    QUADRENNIAL = "QUADRENNIAL"
    QUARTERLY = "QUARTERLY"
    QUINQUENNIAL = "QUINQUENNIAL"
    TRIENNIAL = "TRIENNIAL"
    TRIHOURLY = "TRIHOURLY"
    UNKNOWN = "UNKNOWN"
    UPDATE_CONT = "UPDATE_CONT"
    WEEKLY = "WEEKLY"
    WEEKLY_2 = "WEEKLY_2"
    WEEKLY_3 = "WEEKLY_3"


class Language(StrEnum):
    """Languages of the data: ISO 639-1, the official ones of the EU and Frisian."""

    BG = "bg"
    CS = "cs"
    DA = "da"
    DE = "de"
    EL = "el"
    EN = "en"
    ES = "es"
    ET = "et"
    FI = "fi"
    FR = "fr"
    FY = "fy"
    GA = "ga"
    HR = "hr"
    HU = "hu"
    IT = "it"
    LT = "lt"
    LV = "lv"
    MT = "mt"
    NL = "nl"
    PL = "pl"
    PT = "pt"
    RO = "ro"
    SK = "sk"
    SL = "sl"
    SV = "sv"


# ISO 639-3, the code under which the authority table `language` keeps them.
_LANGUAGE_CODES = {
    Language.BG: "BUL", Language.CS: "CES", Language.DA: "DAN", Language.DE: "DEU", Language.EL: "ELL",
    Language.EN: "ENG", Language.ES: "SPA", Language.ET: "EST", Language.FI: "FIN", Language.FR: "FRA",
    Language.FY: "FRY", Language.GA: "GLE", Language.HR: "HRV", Language.HU: "HUN", Language.IT: "ITA",
    Language.LT: "LIT", Language.LV: "LAV", Language.MT: "MLT", Language.NL: "NLD", Language.PL: "POL",
    Language.PT: "POR", Language.RO: "RON", Language.SK: "SLK", Language.SL: "SLV", Language.SV: "SWE",
}  # fmt: skip


def authority_iri(code: Theme | AccessRights | Frequency | Language) -> str:
    """Return the address of a code in its EU authority table."""
    match code:
        case Theme():
            return f"{_AUTHORITY}data-theme/{code}"
        case AccessRights():
            return f"{_AUTHORITY}access-right/{code}"
        case Frequency():
            return f"{_AUTHORITY}frequency/{code}"
        case Language():
            return f"{_AUTHORITY}language/{_LANGUAGE_CODES[code]}"
