"""What owners say of training, and what a build does about it: a policy for each signal."""

from typing import Literal

from pipeline.settings.values import Section

Policy = Literal["obey", "record"]  # record: kept as evidence, and the picture stays


class ConsentSettings(Section):
    """A policy for each signal: obeyed where the signal is settled, recorded where it is a draft.

    docs/consent.md says what each is, and where it is read.
    """

    robots_tag: Policy = "obey"  # X-Robots-Tag and <meta name="robots">: noai, noimageai, noml …
    tdm_reservation: Policy = "obey"  # W3C community group report: header, page, tdmrep.json
    content_usage: Policy = "record"  # IETF aipref, a draft

    def obeys(self, signal: str) -> bool:
        return bool(getattr(self, signal) == "obey")
