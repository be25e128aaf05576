"""What must hold of a `Plan` before any of it may reach a configuration file of Asterisk.

A value that could be read as configuration (a line break, a comment's semicolon, a bracket, a
`${...}`) is refused here, not escaped: Asterisk's files know no escape that all of them honour.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from asterisk_conf.plan import Outside, Phone, Plan, Trunk

CODECS = ("alaw", "ulaw")

_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
_LANGUAGE = re.compile(r"[a-z]{2}(_[A-Z]{2})?")
_NUMBER = re.compile(r"[0-9]{1,15}")
_PAUSE = re.compile(r"2[0-9]")
_SECRET = re.compile(r"[!-~]{1,128}")
_CONF_SIGNS = frozenset(";[]")
_PATH = re.compile(r"/[A-Za-z0-9._/+@-]*")
_ADDRESS_SIGNS = re.compile(r"[0-9A-Fa-f.:/]+")


def problems_in_plan(plan: Plan) -> list[str]:
    """Every value that must not reach a conf file, each with what to do about it."""
    return [
        *_centre_problems(plan),
        *_trunks_problems(plan),
        *_phones_problems(plan),
        *_outsides_problems(plan),
        *_folder_problems(plan),
    ]


def _centre_problems(plan: Plan) -> Iterator[str]:
    for whose, word in (("centre id", plan.centre_id), ("queue", plan.queue)):
        if not _WORD.fullmatch(word):
            yield f"{whose} {word!r}: use letters, digits, - and _ (up to 40)"
    if not _LANGUAGE.fullmatch(plan.language):
        yield f"language {plan.language!r}: two letters, such as id or en"
    if not _WORD.fullmatch(plan.ami_user) or not _is_secret(plan.ami_secret):
        yield "the manager account: a name of letters and digits, a secret without spaces"
    for pause in plan.pause_reasons:
        if not _PAUSE.fullmatch(pause.code):
            yield f"pause {pause.code!r}: a pause's star code is 20 to 29"
    yield from _address_problems("sip", (plan.sip_host,))
    if plan.external_address:
        yield from _address_problems("external_address", (plan.external_address,))
    yield from _address_problems("local_networks", plan.local_networks)


def _trunks_problems(plan: Plan) -> Iterator[str]:
    if not plan.trunks:
        yield "no trunk: add a [[trunks]] with name, addresses and numbers, or no call can come in"
    for trunk in plan.trunks:
        yield from _trunk_problems(trunk)
    for name in _twice(trunk.name for trunk in plan.trunks):
        yield f"trunk {name}: listed twice"
    for address in _twice(one for trunk in plan.trunks for one in set(trunk.addresses)):
        yield f"address {address}: belongs to two trunks; which one rang could not be told"


def _trunk_problems(trunk: Trunk) -> Iterator[str]:
    if not _WORD.fullmatch(trunk.name):
        yield f"trunk name {trunk.name!r}: use letters, digits, - and _"
    if not trunk.addresses:
        yield f"trunk {trunk.name}: give the address of the operator's SBC in `addresses`"
    yield from _address_problems(f"trunk {trunk.name}", trunk.addresses)
    yield from _codec_problems(f"trunk {trunk.name}", trunk.codecs)
    if not trunk.numbers:
        yield f'trunk {trunk.name}: say which number it brings, numbers = {{ 112 = "112" }}'
    for dialled, flow in trunk.numbers:
        if not _NUMBER.fullmatch(dialled):
            yield f"trunk {trunk.name}: number {dialled!r} must be digits only, never a pattern"
        if not _WORD.fullmatch(flow):
            yield f"trunk {trunk.name}: flow {flow!r} is no file name"


def _phones_problems(plan: Plan) -> Iterator[str]:
    numbers = [phone.number for phone in plan.phones]
    for phone in plan.phones:
        yield from _phone_problems(phone)
    for number in _twice(numbers):
        yield f"phone {number}: listed twice"
    if plan.queue in numbers:
        yield f"phone {plan.queue}: has the name of the line in which callers wait; take another"
    for number in plan.ring_all:
        if number not in numbers:
            yield f"ring_all: phone {number!r} is not in the list of phones"


def _phone_problems(phone: Phone) -> Iterator[str]:
    if not _NUMBER.fullmatch(phone.number):
        yield f"phone {phone.number!r}: a phone's name is its short number, digits only"
    if not _is_secret(phone.password):
        yield (
            f"phone {phone.number!r}: its password must be 1-128 visible characters "
            "without ; [ and ]"
        )
    if not phone.networks:
        yield f"phone {phone.number}: name the network it may register from"
    yield from _address_problems(f"phone {phone.number}", phone.networks)
    yield from _codec_problems(f"phone {phone.number}", phone.codecs)


def _outsides_problems(plan: Plan) -> Iterator[str]:
    for outside in plan.outside:
        yield from _outside_problems(outside)
    for name in _twice(outside.name for outside in plan.outside):
        yield f"outside {name}: listed twice"


def _outside_problems(outside: Outside) -> Iterator[str]:
    if not _WORD.fullmatch(outside.name):
        yield f"outside {outside.name!r}: use letters, digits, - and _"
    if not _NUMBER.fullmatch(outside.number.removeprefix("+")):
        yield f"outside {outside.name}: number {outside.number!r} must be digits"
    host, _, port = outside.address.rpartition(":")
    yield from _address_problems(f"outside {outside.name}", (host,))
    if not _NUMBER.fullmatch(port):
        yield f"outside {outside.name}: write the address as 10.1.1.1:5060"


def _folder_problems(plan: Plan) -> Iterator[str]:
    places = plan.directories
    folders: tuple[Path, ...] = (
        *(places.etc, places.modules, places.data, places.lib),
        *(places.run, places.spool, places.log, places.recordings),
    )
    for folder in folders:
        if not _PATH.fullmatch(str(folder)):
            yield f"folder {str(folder)!r}: an absolute path of letters, digits and . _ - + @"


def _codec_problems(whose: str, codecs: tuple[str, ...]) -> Iterator[str]:
    if not codecs:
        yield f"{whose}: name a codec, {CODECS[0]}"
    for codec in codecs:
        if codec not in CODECS:
            yield f"{whose}: codec {codec!r} is not loaded; use {', '.join(CODECS)}"


def _address_problems(whose: str, addresses: tuple[str, ...]) -> Iterator[str]:
    """A host name would need DNS, and DNS down holds a call for 10 s."""
    for address in addresses:
        if not _is_address(address):
            remedy = "write numbers such as 10.1.1.1 or 10.1.1.0/24"
            yield f"{whose}: {address!r} is no address; {remedy}"


def _is_address(text: str) -> bool:
    """`ipaddress` alone lets anything through behind the % of an IPv6 zone, line breaks too."""
    if not _ADDRESS_SIGNS.fullmatch(text):
        return False
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def _is_secret(text: str) -> bool:
    return bool(_SECRET.fullmatch(text)) and _CONF_SIGNS.isdisjoint(text)


def _twice(names: Iterable[str]) -> list[str]:
    seen: set[str] = set()
    again: dict[str, None] = {}
    for name in names:
        if name in seen:
            again[name] = None
        seen.add(name)
    return list(again)
