"""Prices in running text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

_NUMBER = r"\d{1,3}(?:[.,'\u00a0]\d{3})+(?:[.,]\d{1,2})?(?!\d)|\d+(?:[.,]\d{1,2})?(?!\d)"
_SIGN = r"[$€£¥₹]|\b(?:USD|EUR|GBP|CHF|JPY|SEK|NOK|DKK|PLN|CAD|AUD)\b"
_MONEY = re.compile(
    rf"(?P<before>{_SIGN})\s?(?P<number>{_NUMBER})|(?P<number_first>{_NUMBER})\s?(?P<after>{_SIGN}|(?:dollars?|euros?|pounds?)\b)",
    re.IGNORECASE,
)
_FREE = re.compile(r"^(?:[^:]*: )?(?P<free>free(?: of charge)?)\.?$", re.IGNORECASE)
_CURRENCIES = {
    "$": "USD",
    "€": "EUR",
    "£": "GBP",
    "¥": "JPY",
    "₹": "INR",
    "DOLLAR": "USD",
    "EURO": "EUR",
    "POUND": "GBP",
}


@dataclass(frozen=True, slots=True)
class Money:
    """An amount as it stands in a text."""

    text: str
    amount: Decimal
    currency: str

    def rewritten(self, amount: Decimal) -> str:
        """Another amount of the same currency, written as this one is."""
        number = re.search(_NUMBER, self.text)
        digits = f"{amount:.2f}"
        return digits if number is None else self.text[: number.start()] + digits + self.text[number.end() :]


def find_money(text: str) -> list[Money]:
    """All amounts of a text, in order. A text that says no more than "free" is an amount of nothing."""
    found = [_money(match) for match in _MONEY.finditer(text)]
    if not found and (match := _FREE.search(text)):
        return [Money(match["free"], Decimal(0), "")]
    return found


def _money(match: re.Match[str]) -> Money:
    sign = (match["before"] or match["after"]).upper()
    singular = sign.removesuffix("S") if len(sign) > 3 else sign
    number = match["number"] or match["number_first"]
    return Money(match[0].strip(), _amount(number), _CURRENCIES.get(singular, singular))


def _amount(number: str) -> Decimal:
    """A number with either point or comma before its cents: a separator with three digits after it groups thousands."""
    whole, cents = number, ""
    if match := re.search(r"[.,](\d{1,2})$", number):
        whole, cents = number[: match.start()], match[1]
    return Decimal(f"{re.sub(r'[^0-9]', '', whole)}.{cents or '0'}")
