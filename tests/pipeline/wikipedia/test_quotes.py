"""Apostrophes beside marks of bold and italics, as MediaWiki reads them."""

import json
import random
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from pipeline.wikipedia import plain_text
from pipeline.wikipedia.quotes import MOST_RUNS, as_mediawiki, without_quotes

PARSER = Path("/usr/share/mediawiki/includes/parser/Parser.php")

# Lines of bug reports of other readers, and what the page shows.
REPORTED = {
    # earwig/mwparserfromhell issues 192, 353 and 344
    "''Eagle'''s upper stage": "Eagle's upper stage",
    "some of the ''Britannica'''s \"Nile\" article": 'some of the Britannica\'s "Nile" article',
    "by ''[[Galileo (spacecraft)|Galileo]]'''s camera": "by Galileo's camera",
    # spencermountain/wtf_wikipedia issue 13
    "L''''armonium''' o '''armonio''' (''harmonium'')": "L'armonium o armonio (harmonium)",
    # portstrom/parse_wiki_text issue 2
    "''''x": "'x",
    "''x'''": "x'",
    # erikrose/mediawiki-parser issue 29: a line alone is balanced
    "'''Le gras :'''\n\net l'''italique''...": "Le gras :\net l'italique...",
    # reader-dict/monolingual issue 630
    "d'<nowiki/>''Arvernus'', ou composé d'''are''": "d'Arvernus, ou composé d'are",
}


@pytest.mark.parametrize("wikitext", REPORTED)
def test_an_apostrophe_beside_a_mark_stays(wikitext):
    assert plain_text(wikitext) == REPORTED[wikitext]


@pytest.mark.parametrize(
    ("wikitext", "expected"),
    [
        ("''Hamlet'''s and ''Macbeth'''s and ''Lear'''s", "Hamlet's and Macbeth's and Lear's"),
        ("L'''Iliade'' e l'''Odissea'' di '''Omero'''", "L'Iliade e l'Odissea di Omero"),
        ("'''B'''ritish '''B'''roadcasting ''is''", "British Broadcasting is"),
        ("''a '''b''' c''", "a b c"),
        ("''Victory''{{'}}s ''Dog''{{'s}} tail", "Victory's Dog's tail"),
        ("rock <nowiki>''n''</nowiki> roll &#39;&#39;s", "rock ''n'' roll ''s"),
    ],
)
def test_what_a_line_of_several_marks_shows(wikitext, expected):
    assert plain_text(wikitext) == expected


def lines(n: int) -> list[str]:
    chance = random.Random(0)
    runs = ["'" * length for length in range(1, 9)]
    pieces = [*runs, *["''", "'''"] * 4, " ", "a", "bc", "é", "日", " l", "qu", "s "]
    return ["".join(chance.choices(pieces, k=chance.randint(1, 12))) for _ in range(n)]


def test_every_line_is_read_as_mediawiki_reads_it():
    if not (PARSER.exists() and shutil.which("php")):
        pytest.skip("no MediaWiki: apt-get install mediawiki php-cli")
    source = re.search(r"public function doQuotes.*?\n\t\}\n", PARSER.read_text(), re.DOTALL)
    assert source
    program = f"""
        class P {{ {source[0]} }}
        $p = new P();
        $shown = fn ($line) => preg_replace('#</?[bi]>#', '', $p->doQuotes($line));
        echo json_encode(array_map($shown, json_decode(stream_get_contents(STDIN))));
    """
    given = lines(20_000)
    command = ["php", "-r", program]
    printed = subprocess.run(command, input=json.dumps(given).encode(), capture_output=True)
    assert [as_mediawiki(line) for line in given] == json.loads(printed.stdout)


def test_ours_differs_from_mediawiki_by_more_apostrophes_alone():
    pairs = [(as_mediawiki(line), without_quotes(line)) for line in lines(20_000)]
    assert all(a.replace("'", "") == b.replace("'", "") and len(a) <= len(b) for a, b in pairs)
    assert 0 < sum(a != b for a, b in pairs) < 0.02 * len(pairs)


def test_a_line_of_very_many_marks_has_no_apostrophes():
    assert without_quotes("''a'''s " * MOST_RUNS) == "as " * MOST_RUNS
