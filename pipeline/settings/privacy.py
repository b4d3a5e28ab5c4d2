"""What a build does about personal data in captions and addresses: a policy for each kind."""

from typing import Literal

from pipeline.settings.values import Section

Policy = Literal["count", "mask", "drop"]  # count: noted in the table `personal`, and kept


class PrivacySettings(Section):
    """docs/privacy.md says how each kind is found, and how often that is wrong.

    `mask` writes *** over what is found in a caption. An address is fetched as it is or not at all:
    there `mask` counts alone.
    """

    email: Policy = "count"
    account: Policy = "count"  # @name, and addresses of profiles on sites where people have one
    iban: Policy = "count"
    card: Policy = "count"  # payment cards: issuers' ranges, Luhn's check digit
    national_id: Policy = "count"  # numbers of people in 22 countries, by check digits
    phone: Policy = "count"
    address: Policy = "count"  # street with a number, in eleven languages
    copyright: Literal["count", "drop"] = "count"  # a notice of rights is never taken off a work

    def policy(self, kind: str) -> str:
        return str(getattr(self, kind))
