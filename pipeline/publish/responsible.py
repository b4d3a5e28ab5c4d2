"""What Croissant's vocabulary of responsible AI (RAI 1.0) and PROV ask of a dataset.

What the build knows is said, what people told is added; what nobody has told is marked as a gap.
"""

from dataclasses import dataclass
from datetime import date
from typing import Any

from pipeline.settings.card import CardSettings

GAP = "Not known to the build:"


@dataclass(frozen=True)
class Told:
    """All that a description says beside the tables."""

    name: str
    version: str
    content: str  # digest of what the folder holds
    counts: dict[str, int]
    languages: tuple[str, ...]
    sources: tuple[str, ...]
    settings: dict[str, Any]
    card: CardSettings
    made: date
    fetched: tuple[date, date] | None


def responsible(about: Told) -> dict:
    """The properties of RAI and PROV, without those that have nothing to say."""
    values = {**collection(about), **judgement(about), **provenance(about)}
    return {key: value for key, value in values.items() if value not in (None, [])}


def collection(about: Told) -> dict:
    """How the data were collected, and what was done with them."""
    counts, settings = about.counts, about.settings
    cap = settings.get("selection", {}).get("cap", "?")
    rules = ", ".join(sorted(settings.get("filters", {})))
    return {
        "rai:dataCollection": (
            "Addresses of pictures and the texts beside them come from the sources "
            f"{', '.join(about.sources) or '(none)'}; the pictures were fetched from there, "
            f"as robots.txt and the owners' signals allow. {about.card.collected}"
        ).strip(),
        "rai:dataCollectionType": ["Web Scraping"],
        "rai:dataCollectionTimeFrame": [day.isoformat() for day in about.fetched or ()],
        "rai:dataCollectionMissingData": (
            f"Of {counts['candidates']:,} candidates {counts['samples']:,} are samples; each other "
            "has a reason, in the tables drop and outcome."
        ),
        "rai:dataCollectionRawData": (
            "Captions and addresses are as the sources have them; pictures are stored scaled, with "
            "the sha256 of the bytes that were served."
        ),
        "rai:dataPreprocessingProtocol": [
            f"Dropped by rules on captions and addresses: {rules}.",
            f"Matched with {_phrases(about)}; a pair without a query is dropped.",
            f"Balanced: for each query at most {cap} pairs are kept, in an order that depends on "
            "the pair and a seed alone.",
            "Pictures are turned upright, scaled and encoded anew.",
        ],
    }


def judgement(about: Told) -> dict:
    """Limits, biases, persons, uses, impact and upkeep."""
    card = about.card
    return {
        "rai:dataLimitations": [
            "Captions are what people wrote beside pictures; nobody compared them with these.",
            _or_gap(card.limitations, "what else the data cannot be used for well."),
        ],
        "rai:dataBiases": [
            f"What none of {_phrases(about)} names is missing; what many name is there more often. "
            f"Languages of the captions: {', '.join(about.languages) or 'not looked for'}.",
            _or_gap(card.biases, "who and what is shown too often, or not at all."),
        ],
        "rai:personalSensitiveInformation": [
            "Pictures and captions of the open web show and name people; the build looks for no "
            "faces. The audit person_terms counts words for people in captions.",
            _or_gap(card.sensitive, "what personal and sensitive information is in the pictures."),
        ],
        "rai:dataUseCases": [
            "To train models that compare images and texts, and to study how such data are chosen. "
            "Not to recognise or judge persons, nor where captions must be true.",
            _or_gap(card.uses, "what else it is meant for."),
        ],
        "rai:dataSocialImpact": _or_gap(card.social_impact, "what the data may do to people."),
        "rai:dataReleaseMaintenancePlan": (
            f"{_or_gap(card.maintenance, 'who keeps the data, and how long.')} A picture can be "
            "taken out of every version, which changes one shard."
        ),
        "rai:hasSyntheticData": card.synthetic,
        "rai:syntheticDataExplanation": _or_gap(
            card.synthetic_which, "which captions or pictures a model made."
        ),
    }


def provenance(about: Told) -> dict:
    """What the data were derived from, and the activities that made them, with their days."""
    begin, end = about.fetched or (None, None)
    steps = (
        ("collection", "Candidates were read from the sources.", None, None),
        ("filtering and matching", "Candidates were dropped by rules, or matched.", None, None),
        ("fetching", "Pictures were fetched from their addresses.", begin, end),
        ("packing", "Kept pairs were packed into shards.", about.made, about.made),
    )
    return {
        "prov:wasDerivedFrom": [
            {"@type": "prov:Entity", "prov:label": source} for source in about.sources
        ],
        "prov:wasGeneratedBy": [
            {
                "@type": "prov:Activity",
                "prov:label": label,
                "prov:value": about,
                "prov:wasAssociatedWith": {"@type": "prov:SoftwareAgent", "prov:label": "buildwit"},
                **({"prov:startedAtTime": first.isoformat()} if first else {}),
                **({"prov:endedAtTime": last.isoformat()} if last else {}),
            }
            for label, about, first, last in steps
        ],
    }


def _phrases(about: Told) -> str:
    return f"{about.counts['queries']:,} search phrases from Wikipedia and WordNet"


def _or_gap(text: str, gap: str) -> str:
    return text or f"{GAP} {gap}"
