"""Who is calling: the caller id of the trunk, read once into one of four kinds.

Indonesia's numbering plan and all others come from Google's libphonenumber (phonenumbers);
names of places and carriers are in Bahasa. The forms a trunk may send are listed, with the
experiment that showed them, in the tests.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

import phonenumbers
from phonenumbers import PhoneNumber, PhoneNumberFormat, PhoneNumberType, ValidationResult

from call_router.fact import clean

if TYPE_CHECKING:
    from collections.abc import Iterator

LANGUAGE = "id"
MOST = 100  # characters read of any field; Asterisk itself cuts a caller id at 79


@dataclass(frozen=True, slots=True)
class E164:
    """A number that can be called back, such as +6281234567890.

    `region_name` and `carrier` are in Bahasa, "" when unknown; `kind` is mobile, fixed,
    fixed_or_mobile, toll_free, shared_cost, voip or unknown.
    """

    number: str
    region_name: str = ""
    carrier: str = ""
    kind: str = "unknown"

    @property
    def key(self) -> str | None:
        """The number itself: what history is kept by."""
        return self.number

    @property
    def masked(self) -> str:
        """The number for logs: its first group and last two digits, as +62 812-****-**90."""
        try:
            shown = phonenumbers.format_number(
                phonenumbers.parse(self.number), PhoneNumberFormat.INTERNATIONAL
            )
        except phonenumbers.NumberParseException:
            return "+" + "*" * (len(self.number) - 1)
        code, _, rest = shown.partition(" ")
        digits = sum(character.isdigit() for character in rest)
        group = re.match(r"\d+", rest)
        first = min(len(group[0]) if group else 0, 3, max(digits - 6, 0))
        return f"{code} {_hide(rest, first, digits - 2)}"


@dataclass(frozen=True, slots=True)
class Withheld:
    """No number came. `reason`: anonymous, restricted, unavailable or unknown."""

    reason: str

    @property
    def key(self) -> str | None:
        """None: nothing is held against a caller who shows no number."""
        return None

    @property
    def masked(self) -> str:
        """The words for logs."""
        return "nomor disembunyikan"


@dataclass(frozen=True, slots=True)
class NoSim:
    """An emergency call from a phone without a SIM; `imei` is its digits, "" when not told."""

    imei: str

    @property
    def key(self) -> str | None:
        """None: a phone without a SIM cannot be called back."""
        return None

    @property
    def masked(self) -> str:
        """The words for logs, with the last two digits at most."""
        shown = self.imei[-2:] if len(self.imei) > 6 else ""
        return f"tanpa SIM {'*' * (len(self.imei) - len(shown))}{shown}".strip()


@dataclass(frozen=True, slots=True)
class Unusable:
    """Something came that is no number; `text` keeps at most 100 characters of it."""

    text: str

    @property
    def key(self) -> str | None:
        """None: what cannot be read cannot be recognised again."""
        return None

    @property
    def masked(self) -> str:
        """The words for logs, without the text."""
        return f"nomor tidak terbaca ({len(self.text)} karakter)"


Caller = E164 | Withheld | NoSim | Unusable

_WITHHELD_WORDS = {
    "": "unknown",
    "unknown": "unknown",
    "anonymous": "anonymous",
    "private": "anonymous",
    "withheld": "anonymous",
    "restricted": "restricted",
    "unavailable": "unavailable",
    "none": "unknown",
    "null": "unknown",
}

_KINDS = {
    PhoneNumberType.MOBILE: "mobile",
    PhoneNumberType.FIXED_LINE: "fixed",
    PhoneNumberType.FIXED_LINE_OR_MOBILE: "fixed_or_mobile",
    PhoneNumberType.TOLL_FREE: "toll_free",
    PhoneNumberType.SHARED_COST: "shared_cost",
    PhoneNumberType.VOIP: "voip",
}

_WRITTEN_NUMBER = re.compile(r"\+?[0-9][0-9 ()./-]{2,40}")
_IMEI_HOST = re.compile(r"([0-9-]*)@imei\.invalid", re.IGNORECASE)
# A network may invent a number for a phone without a SIM: the emergency number before digits of
# the phone's own identity (as J-STD-036 annex C does with 911). Read only after the numbering
# plan had its say: 0911 is Ambon.
_PSEUDO = re.compile(r"\+?(?:62)?0?(?:112|911)([0-9]{0,15})")


def preload() -> None:
    """Read the tables of places and carriers now (0.5 s, about 95 MB).

    Servers do so once, before they fork: else the first caller would wait for it.
    """
    _place_tables()


def parse(
    num: str, name: str = "", pres: str = "", pai: str = "", *, region: str = "ID"
) -> Caller:
    """Return who is calling; never raises, whatever a trunk sends.

    `num` and `name` are CALLERID(num) and (name), `pres` its presentation as a number or in
    Asterisk's words, `pai` the P-Asserted-Identity header. A number sent with a request for
    privacy is still read: emergency services are told it (`pres` then only matters when no
    number came).
    """
    return _parse(
        clean(num[:MOST]), clean(name[:MOST]), clean(pres[:MOST]), clean(pai[: 3 * MOST]), region
    )


@lru_cache(maxsize=4096)
def _parse(num: str, name: str, pres: str, pai: str, region: str) -> Caller:
    num = _user_part(num)
    asserted = _user_part(pai)
    imei = _IMEI_HOST.search(pai)
    if imei:
        return NoSim(re.sub(r"\D", "", imei[1] or num)[:16])
    for written in (num, asserted):
        found = _dialable(written, region) or _sim_less(written)
        if found:
            return found
    if num.lower() in _WITHHELD_WORDS:
        return Withheld(_why_withheld(num, name, pres))
    return Unusable(num)


def _user_part(field: str) -> str:
    """Return what names the caller in a number, a tel: or sip: address or a whole header."""
    address = re.search(r"(?:sips?|tel):([^>]*)", field, re.IGNORECASE)
    user = (address[1] if address else field).split("@", 1)[0].split(";", 1)[0]
    return user.strip().strip('<>"').strip()


def _dialable(written: str, region: str) -> E164 | None:
    if not _WRITTEN_NUMBER.fullmatch(written):
        return None
    likely = None
    for form in _forms(written):
        try:
            number = phonenumbers.parse(form, region)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_valid_number(number):
            return _described(number)
        if likely is None and _is_likely(form, number):
            likely = E164(phonenumbers.format_number(number, PhoneNumberFormat.E164))
    return likely


def _forms(written: str) -> Iterator[str]:
    """Yield the readings of what was sent, the likeliest first: 0812…, 62812…, 0062812…."""
    yield written
    if not written.startswith("+"):
        digits = re.sub(r"\D", "", written)
        yield "+" + digits.removeprefix("00")


def _is_likely(form: str, number: PhoneNumber) -> bool:
    """Say whether a number outside the known plan may still be real: plans grow every year."""
    digits = len(str(number.national_number))
    possible = phonenumbers.is_possible_number_with_reason(number)
    return (
        form.startswith(("+", "0"))
        and 7 <= digits <= 13
        and possible == ValidationResult.IS_POSSIBLE
        and not _PSEUDO.fullmatch(form)
    )


def _described(number: PhoneNumber) -> E164:
    places, carriers = _place_tables()
    return E164(
        number=phonenumbers.format_number(number, PhoneNumberFormat.E164),
        region_name=places.description_for_valid_number(number, LANGUAGE),
        carrier=carriers.name_for_number(number, LANGUAGE),
        kind=_KINDS.get(phonenumbers.number_type(number), "unknown"),
    )


@cache
def _place_tables() -> tuple[Any, Any]:
    from phonenumbers import carrier, geocoder  # noqa: PLC0415 - 95 MB that the CLI never needs

    return geocoder, carrier


def _sim_less(written: str) -> NoSim | None:
    if re.fullmatch(r"[0-9]{15}", written) and _luhn(written):
        return NoSim(written)
    pseudo = _PSEUDO.fullmatch(written)
    return NoSim(pseudo[1]) if pseudo else None


def _luhn(digits: str) -> bool:
    """Say whether the last digit is the check digit of the others (ISO/IEC 7812-1)."""
    doubled = [int(d) * (1 + place % 2) for place, d in enumerate(reversed(digits))]
    return sum(d // 10 + d % 10 for d in doubled) % 10 == 0


def _why_withheld(num: str, name: str, pres: str) -> str:
    word = num.lower() or name.strip().lower()
    reason = _WITHHELD_WORDS.get(word, "unknown")
    if reason != "unknown":
        return reason
    if pres.startswith("prohib") or _presentation(pres) == 0x20:
        return "restricted"
    if pres == "unavailable" or _presentation(pres) == 0x40:
        return "unavailable"
    return "unknown"


def _presentation(pres: str) -> int:
    """Return the two presentation bits (Q.951): 0 allowed, 0x20 prohibited, 0x40 unavailable."""
    return int(pres) & 0x60 if re.fullmatch(r"[0-9]{1,3}", pres) else 0


def _hide(shown: str, first: int, last: int) -> str:
    """Return `shown` with each digit from the `first`-th to before the `last`-th as a star."""
    out, seen = [], 0
    for character in shown:
        hidden = character.isdigit() and first <= seen < last
        out.append("*" if hidden else character)
        seen += character.isdigit()
    return "".join(out)
