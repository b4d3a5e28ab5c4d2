"""What owners say of training, and what a build does about it: a policy for each signal."""

from typing import Annotated, Literal

from pydantic import Field

from pipeline.settings.values import Section

Policy = Literal["obey", "record"]  # record: kept as evidence, and the picture stays

# Crawlers that gather for training, of the list that github.com/ai-robots-txt keeps, as of 2026-11.
# A site that refuses one of them says something of training to us, too.
CRAWLERS = (
    *("GPTBot", "CCBot", "Google-Extended", "Applebot-Extended", "anthropic-ai", "ClaudeBot"),
    *("Claude-Web", "Bytespider", "img2dataset", "LAIONDownloader", "laion-huggingface-processor"),
    *("AI2Bot", "Ai2Bot-Dolma", "cohere-ai", "cohere-training-data-crawler", "Diffbot"),
    *("FacebookBot", "meta-externalagent", "ImagesiftBot", "imageSpider", "omgili", "omgilibot"),
    *("PanguBot", "PetalBot", "Timpibot", "Webzio-Extended", "Amazonbot", "ICC-Crawler"),
    *("Kangaroo Bot", "VelenPublicWebCrawler", "CloudVertexBot", "Google-CloudVertexBot"),
    *("GoogleOther-Image", "DeepSeekBot", "ChatGLM-Spider", "SBIntuitionsBot", "Cotoyogi"),
)


class ConsentSettings(Section):
    """A policy for each signal: obeyed where the signal is settled, recorded where it is a draft.

    docs/consent.md says what each is, and where it is read.
    """

    robots_tag: Policy = "obey"  # X-Robots-Tag and <meta name="robots">: noai, noimageai, noml …
    tdm_reservation: Policy = "obey"  # W3C community group report: header, page, tdmrep.json
    content_signal: Policy = "obey"  # robots.txt: ai-train=no
    content_usage: Policy = "record"  # IETF aipref, a draft: header and robots.txt
    xmp: Policy = "obey"  # plus:DataMining of IPTC 2023.1, in the picture
    c2pa: Policy = "obey"  # training-mining assertions of C2PA and CAWG, in the picture
    ai_crawlers: Policy = "record"  # robots.txt refuses one of `crawlers`
    crawlers: tuple[Annotated[str, Field(min_length=1)], ...] = CRAWLERS

    def obeys(self, signal: str) -> bool:
        """Whether a no by this signal drops the picture; what is no key here is always obeyed."""
        return bool(getattr(self, signal, "obey") == "obey")

    @property
    def signals(self) -> tuple[str, ...]:
        """The signals that have a policy."""
        return tuple(name for name in type(self).model_fields if name != "crawlers")

    @property
    def tokens(self) -> tuple[str, ...]:
        """The names of crawlers as robots.txt is asked for them."""
        return tuple(dict.fromkeys(name.lower() for name in self.crawlers))
