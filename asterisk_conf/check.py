"""What must hold before Asterisk may read a configuration of ours."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

from asterisk_conf.modules import APPLICATIONS, FUNCTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from asterisk_conf.plan import Outside, Phone, Plan, Trunk

CODECS = ("alaw", "ulaw")

_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
_NUMBER = re.compile(r"[0-9]{1,15}")
_SECRET = re.compile(r"[!-~]{1,128}")
_HEADER = re.compile(r"^\[([^\]]+)\]", re.MULTILINE)
_STEP = re.compile(r"^\s*(?:exten\s*=>\s*([^,]+),|same\s*=>\s*)([^,]+),\s*(\w+)\((.*)$")
_FUNCTION = re.compile(r"\$\{([A-Z_]{2,})\(")
_GOTO = re.compile(r"\b(?:Goto|Gosub|GotoIf|GosubIf)\((?:[^?]*\?)?([^)]*)\)")


def problems_in_plan(plan: Plan) -> list[str]:
    """Every value that must not reach a conf file, each with what to do about it."""
    return list(_plan_problems(plan))


def _plan_problems(plan: Plan) -> Iterator[str]:
    if not _WORD.fullmatch(plan.centre_id):
        yield f"centre id {plan.centre_id!r}: use letters, digits, - and _ (up to 40)"
    if not plan.trunks:
        yield "no trunk: add a [[trunks]] with name, addresses and numbers, or no call can come in"
    for trunk in plan.trunks:
        yield from _trunk_problems(trunk)
    numbers = [phone.number for phone in plan.phones]
    for phone in plan.phones:
        yield from _phone_problems(phone)
        if numbers.count(phone.number) > 1:
            yield f"phone {phone.number}: listed twice"
    for number in plan.ring_all:
        if number not in numbers:
            yield f"ring_all: phone {number} is not in the list of phones"
    for outside in plan.outside:
        yield from _outside_problems(outside)
    for name, path in (("data", plan.directories.data), ("log", plan.directories.log)):
        if not path.is_absolute():
            yield f"folder {name} = {path}: give an absolute path"


def _trunk_problems(trunk: Trunk) -> Iterator[str]:
    if not _WORD.fullmatch(trunk.name):
        yield f"trunk name {trunk.name!r}: use letters, digits, - and _"
    if not trunk.addresses:
        yield f"trunk {trunk.name}: give the address of the operator's SBC in `addresses`"
    yield from _address_problems(f"trunk {trunk.name}", trunk.addresses)
    yield from _codec_problems(f"trunk {trunk.name}", trunk.codecs)
    for dialled, flow in trunk.numbers:
        if not _NUMBER.fullmatch(dialled):
            yield f"trunk {trunk.name}: number {dialled!r} must be digits only, never a pattern"
        if not _WORD.fullmatch(flow):
            yield f"trunk {trunk.name}: flow {flow!r} is no file name"


def _phone_problems(phone: Phone) -> Iterator[str]:
    if not _NUMBER.fullmatch(phone.number):
        yield f"phone {phone.number!r}: a phone's name is its short number, digits only"
    if not _SECRET.fullmatch(phone.password) or ";" in phone.password:
        yield f"phone {phone.number}: its password must be 1-128 visible characters without ;"
    if not phone.networks:
        yield f"phone {phone.number}: name the network it may register from"
    yield from _address_problems(f"phone {phone.number}", phone.networks)
    yield from _codec_problems(f"phone {phone.number}", phone.codecs)


def _outside_problems(outside: Outside) -> Iterator[str]:
    if not _WORD.fullmatch(outside.name):
        yield f"outside {outside.name!r}: use letters, digits, - and _"
    if not _NUMBER.fullmatch(outside.number.removeprefix("+")):
        yield f"outside {outside.name}: number {outside.number!r} must be digits"
    host, _, port = outside.address.rpartition(":")
    yield from _address_problems(f"outside {outside.name}", (host,))
    if not port.isdigit():
        yield f"outside {outside.name}: write the address as 10.1.1.1:5060"


def _codec_problems(whose: str, codecs: tuple[str, ...]) -> Iterator[str]:
    for codec in codecs:
        if codec not in CODECS:
            yield f"{whose}: codec {codec!r} is not loaded; use {', '.join(CODECS)}"


def _address_problems(whose: str, addresses: tuple[str, ...]) -> Iterator[str]:
    """A host name would need DNS, and DNS down holds a call for 10 s (asterisk.md section 2)."""
    for address in addresses:
        try:
            ipaddress.ip_network(address, strict=False)
        except ValueError:
            yield f"{whose}: {address!r} is no address; write numbers such as 10.1.1.1 or 10.1.1.0/24"


def problems_in_texts(texts: dict[str, str]) -> list[str]:
    """Unknown applications and functions, and roads that lead nowhere, with file and line."""
    dialplan = texts["extensions.conf"]
    contexts = _extensions_by_context(dialplan)
    problems: list[str] = []
    context = ""
    for number, line in enumerate(dialplan.splitlines(), start=1):
        code = line.split(" ; ")[0]
        if header := _HEADER.match(code):
            context = header[1]
        elif step := _STEP.match(code):
            where = f"extensions.conf:{number}"
            found = [*_unknown_words(step[3], code), *_lost_roads(code, context, contexts)]
            problems += [f"{where}: {problem}" for problem in found]
    for line in texts["pjsip.conf"].splitlines():
        name = line.removeprefix("context = ").strip()
        if line.startswith("context = ") and name not in contexts:
            problems.append(f"pjsip.conf: context {name} is not in extensions.conf")
    return problems


def _unknown_words(application: str, code: str) -> Iterator[str]:
    if application not in APPLICATIONS:
        yield f"application {application} is not loaded (modules.py)"
    for function in _FUNCTION.findall(code):
        if function not in FUNCTIONS:
            yield f"function {function} is not loaded (modules.py)"


def _extensions_by_context(dialplan: str) -> dict[str, set[str]]:
    contexts: dict[str, set[str]] = {}
    context = ""
    for line in dialplan.splitlines():
        if header := _HEADER.match(line):
            context = header[1]
            contexts[context] = set()
        elif (step := _STEP.match(line)) and step[1]:
            contexts[context].add(step[1].strip())
    return contexts


def _lost_roads(code: str, context: str, contexts: dict[str, set[str]]) -> Iterator[str]:
    for targets in _GOTO.findall(code):
        for target in targets.split(":"):
            parts = [part.split("(")[0].strip() for part in target.split(",")]
            if "${" in target or not parts[0]:
                continue
            if len(parts) == 3 and parts[1] not in contexts.get(parts[0], set()):
                yield f"no such place as {parts[0]},{parts[1]}"
            if len(parts) == 2 and parts[0] not in contexts[context]:
                yield f"no extension {parts[0]} in [{context}]"
