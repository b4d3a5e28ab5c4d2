"""Licences as sources write them, to one id each."""

import pytest

from pipeline.rights.licences import license_id

# What the sources of this project give, and the addresses that pages link to.
STATED = {
    "http://creativecommons.org/licenses/by-nc/2.0/": "CC-BY-NC-2.0",
    "https://creativecommons.org/licenses/by/4.0/deed.de": "CC-BY-4.0",
    "//creativecommons.org/licenses/by-nd-nc/1.0/": "CC-BY-NC-ND-1.0",
    "HTTPS://WWW.CreativeCommons.org/licenses/by-sa/3.0/de/deed.en": "CC-BY-SA-3.0-DE",
    "https://creativecommons.org/licenses/by/3.0/igo/legalcode": "CC-BY-3.0-IGO",
    "http://creativecommons.org/licenses/by-sa/4.0/legalcode.txt": "CC-BY-SA-4.0",
    "https://creativecommons.org/licenses/by/4.0?ref=openverse": "CC-BY-4.0",
    "creativecommons.org/publicdomain/zero/1.0": "CC0-1.0",
    "https://creativecommons.org/publicdomain/mark/1.0/deed.fr": "CC-PDM-1.0",
    "http://creativecommons.org/licenses/publicdomain/": "CC-PDDC",
    "http://creativecommons.org/licenses/by/": "CC-BY",
    "http://creativecommons.org/licenses/by/3.0/fr/": "CC-BY-3.0-FR",
    "CC BY-SA 4.0": "CC-BY-SA-4.0",
    "CC BY-SA 2.1 JP": "CC-BY-SA-2.1-JP",
    "CC BY 3.0 us": "CC-BY-3.0-US",
    "CC BY-NC-SA 2.5 Generic": "CC-BY-NC-SA-2.5",
    "cc-by-sa-2.0-uk": "CC-BY-SA-2.0-UK",
    "by-sa 4.0": "CC-BY-SA-4.0",  # Openverse
    "cc0": "CC0-1.0",
    "pdm 1.0": "CC-PDM-1.0",
    "Public domain": "LicenseRef-Public-Domain",
    "Attribution-NonCommercial-ShareAlike License": "CC-BY-NC-SA",  # YFCC100M
    "Attribution License": "CC-BY",
    "Creative Commons Attribution 4.0 International (CC BY 4.0)": "CC-BY-4.0",
    "Creative Commons Zero v1.0 Universal": "CC0-1.0",
    "Creative Commons Attribution Non Commercial No Derivatives 4.0 International": (
        "CC-BY-NC-ND-4.0"  # its name in SPDX's list
    ),
    "MIT License": "MIT",
    "https://opensource.org/licenses/MIT": "MIT",
    "GPL-2.0": "GPL-2.0-only",
    "https://www.gnu.org/licenses/old-licenses/fdl-1.2.html": "GFDL-1.2-only",
    "http://www.gnu.org/copyleft/fdl-1.3.html": "GFDL-1.3-only",
    "http://rightsstatements.org/vocab/InC/1.0/": "LicenseRef-InC",
    "FAL": "LAL-1.3",
}
UNSURE = (
    *("CC BY 9.9", "cc-by-sa-3.5", "CC BY-NC 5", "https://creativecommons.org/licenses/by/2.9/"),
    *("CC BY-NC-ND-SA 4.0", "http://creativecommons.org/licenses/by-nd-sa/3.0/"),
    "https://creativecommons.org/publicdomain/zero/4.0/",
    *("?", "", None, "0", "1", "Fair use", "© 2019 John Doe", "All Rights Reserved"),
    *("by the author", "CC BY-SA 3.0, GFDL", "CC BY 4.0 (MIT)", "by-by", "cc nd-sa 4.0"),
    *("http://example.org/license.html", "http://creativecommons.org/", "Attribution"),
    *("http://creativecommons.org.example.org/licenses/by/4.0/", "some rights reserved (CC BY)"),
)


@pytest.mark.parametrize("stated", STATED)
def test_a_licence_has_one_id_however_it_is_written(stated):
    assert license_id(stated) == STATED[stated]


@pytest.mark.parametrize("stated", UNSURE)
def test_what_no_licence_is_sure_of_has_no_id(stated):
    assert license_id(stated) is None


def test_each_id_of_creative_commons_is_one_of_spdx_and_stays_itself():
    from license_expression import get_license_index

    keys = [one["spdx_license_key"] for one in get_license_index()]
    ours = [key for key in keys if key and key.startswith("CC")]
    assert len(ours) > 50
    assert [license_id(key) for key in ours] == ours


@pytest.mark.parametrize("text", ["cc " + "by-" * 130, "(" * 400, "-" * 400, "x " * 10**6])
def test_a_hostile_text_has_no_id(text):
    assert license_id(text) is None
