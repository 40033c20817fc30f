"""The people of a version are numbered before somebody reads it, as soon as it or its rule is there."""

from datahub.consent.service.people_index import FOLDER, SMALL_ROWS
from tests.consent.building import a_clinic
from tests.hub import Hub

ROWS = SMALL_ROWS + 1


def numbered(hub: Hub) -> int:
    folder = hub.settings.home / FOLDER
    return len([each for each in folder.iterdir() if each.is_dir()]) if folder.exists() else 0


def test_people_are_numbered_when_the_rule_comes_and_when_a_version_comes(sqlite_hub: Hub) -> None:
    hub = sqlite_hub
    clinic = a_clinic(hub)
    large = "person,partner,area,visits\n" + "".join(
        f"p{n % 500},q{n % 300},north,{n}\n" for n in range(ROWS)
    )

    def upload() -> None:
        at = f"{clinic.at}/versions"
        clinic.party.done("POST", at, 201, content=large.encode(), headers={"Content-Type": "text/csv"})
        hub.work()

    upload()
    assert numbered(hub) == 0, "without a rule nobody knows who is who"
    clinic.rule()
    hub.work()
    assert numbered(hub) == 1
    clinic.rule(notice={"nl": "Anders.", "en": "Different."})
    hub.work()
    assert numbered(hub) == 1, "another wording names nobody anew"
    clinic.rule(subjects=["partner"])
    hub.work()
    assert numbered(hub) == 2
    upload()
    assert numbered(hub) == 3
    clinic.rule(subjects=["nobody_has_this"])
    hub.work()
    assert numbered(hub) == 3, "no read gets as far as people"
