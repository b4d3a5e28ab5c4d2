"""What only people know of a dataset: `[card]`, which its card shows and no row depends on."""

from typing import Annotated

from pipeline.settings.values import Section, spelt_as

Date = Annotated[str, spelt_as(r"(\d{4}-\d{2}-\d{2})?", 'a date such as "2026-11-30"')]
WebAddress = Annotated[str, spelt_as(r"(https?://\S+)?", "an http or https address")]


class CardSettings(Section):
    """What the card cannot know from the tables; what is "" stays a marked gap in it."""

    name: str = ""  # of the dataset; "": buildwit
    description: str = ""  # "": what the build itself can say
    purpose: str = ""  # what it was made for
    creators: tuple[str, ...] = ()  # people
    publisher: str = ""  # an organisation
    funding: str = ""  # who paid
    contact: str = ""  # whom to write to, to have a picture taken out too
    license: str = ""  # of the collection: an SPDX identifier or an address
    citation: str = ""  # how to cite it, best in BibTeX
    url: WebAddress = ""  # where it is published
    published: Date = ""  # "": the day on which the build was made
    keywords: tuple[str, ...] = ()
    collected: str = ""  # when the sources were crawled
    limitations: str = ""  # what the data cannot be used for well
    biases: str = ""  # who and what is shown too often, or not at all
    sensitive: str = ""  # what personal and sensitive information is in it
    uses: str = ""  # what it is meant for, and has been used for
    social_impact: str = ""  # what it may do to people, and what was done about that
    synthetic: bool | None = None  # whether a model made any caption or picture
    synthetic_which: str = ""  # which of them, and with what
    review: str = ""  # of ethics: whether there was one, by whom
    distribution: str = ""  # who may get it, when and where
    maintenance: str = ""  # who keeps it, for how long, and what becomes of older versions
