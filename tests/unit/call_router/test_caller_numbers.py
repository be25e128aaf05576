import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.provisional import urls

from call_router.numbers import E164, NoSim, Unusable, Withheld, parse

BOB = E164("+6281234567890", "Indonesia", "Telkomsel", "mobile")
IMEI = "356938035643809"

# num, name, pres, pai as the dialplan hands them over (experiments: caller ids of a trunk)
SENT = {
    "+62": (("+6281234567890",), BOB),
    "0": (("081234567890",), BOB),
    "62 without a plus": (("6281234567890",), BOB),
    "0062": (("006281234567890",), BOB),
    "neither 0 nor 62": (("81234567890",), BOB),
    "with phone-context": (("6281234567890;phone-context=+62",), BOB),
    "national with phone-context": (("081234567890;phone-context=+62",), BOB),
    "tel:": (("tel:+6281234567890",), BOB),
    "sip: with host and parameters": (("sip:+6281234567890@10.0.0.1;user=phone",), BOB),
    "written with blanks and dashes": (("+62 812-3456-7890",), BOB),
    "no name": (("+6281234567890", "unknown", "0"), BOB),
    "a fixed line of Jakarta": (("0211234567",), E164("+62211234567", "Jabodetabek", "", "fixed")),
    "a fixed line of Semarang": (
        ("0248311234",),
        E164("+62248311234", "Semarang/Demak", "", "fixed"),
    ),
    "a visitor from Singapore": (
        ("+6591234567",),
        E164("+6591234567", "Singapura", "SingTel", "mobile"),
    ),
    "anonymous@anonymous.invalid": (("anonymous", "Anonymous", "0"), Withheld("anonymous")),
    "anonymous in capitals": (("Anonymous",), Withheld("anonymous")),
    "anonymous, asserted by the trunk": (("+6281234567890", "unknown", "32"), BOB),
    "anonymous, the assertion only in the header": (
        ("anonymous", "Anonymous", "32", "sip:+6281234567890@trunk.example"),
        BOB,
    ),
    "anonymous, asserted as tel:": (("anonymous", "", "32", "tel:+6281234567890"), BOB),
    "asserted with angle brackets": (("", "", "32", '"Bob" <sip:081234567890@trunk>'), BOB),
    "From and asserted differ, Asterisk took the asserted": (
        ("081234567890", "", "0", "sip:+6281234567890@trunk"),
        BOB,
    ),
    "an IMEI as asserted identity": (
        (IMEI, "unknown", "0", f"sip:{IMEI}@imei.invalid"),
        NoSim(IMEI),
    ),
    "an IMEI in the header alone": (
        ("anonymous", "", "", f"<sip:{IMEI}@IMEI.invalid>"),
        NoSim(IMEI),
    ),
    "an IMEI with dashes": (("", "", "", "sip:356938-03564380-9@imei.invalid"), NoSim(IMEI)),
    "an IMEI without its host": ((IMEI,), NoSim(IMEI)),
    "15 digits that are no IMEI": (("356938035643800",), Unusable("356938035643800")),
    "a pseudo number 911": (("9113569380356432",), NoSim("3569380356432")),
    "Ambon, whose area code is 911": (
        ("0911312345",),
        E164("+62911312345", "Ambon", "", "fixed"),
    ),
    "a pseudo number 112": (("1121234567",), NoSim("1234567")),
    "112 itself": (("112",), NoSim("")),
    "+62112": (("+62112",), NoSim("")),
    "no user part": (("", "unknown", "67"), Withheld("unavailable")),
    "no user part, in words": (("unknown", "unknown", "67"), Withheld("unavailable")),
    "nothing at all": (("",), Withheld("unknown")),
    "restricted": (("restricted",), Withheld("restricted")),
    "unavailable": (("unavailable",), Withheld("unavailable")),
    "prohibited 32": (("", "", "32"), Withheld("restricted")),
    "prohibited 35": (("", "", "35"), Withheld("restricted")),
    "prohibited in words": (("", "", "prohib_passed_screen"), Withheld("restricted")),
    "unavailable in words": (("", "", "unavailable"), Withheld("unavailable")),
    "anonymous by name only": (("", "Anonymous", "0"), Withheld("anonymous")),
    "an emoji": (("🚑🔥",), Unusable("🚑🔥")),
    "an emoji as name": (("+6281234567890", "🚑"), BOB),
    "a broken latin-1 byte": (("b\ufffdb",), Unusable("b\ufffdb")),
    "300 characters": (("9" * 300,), Unusable("9" * 100)),
    "6000 characters": (("a" * 6000,), Unusable("a" * 100)),
    "NUL": (("\x00",), Withheld("unknown")),
    "NUL inside": (("+62812345\x0067890",), BOB),
    "a shell": (("${SHELL(id)}",), Unusable("${SHELL(id)}")),
    "an encoded shell": (("%24%7BSHELL(id)%7D",), Unusable("%24%7BSHELL(id)%7D")),
    "a forged environment line": (
        ("+62\nagi_evil: 1",),
        Unusable("+62\nagi_evil: 1"),
    ),
    "a forged event": (
        ("x\r\n\r\nEvent: Hangup",),
        Unusable("x\r\n\r\nEvent: Hangup"),
    ),
    "letters that spell a number": (("0800POLISI",), Unusable("0800POLISI")),
    "a number of a plan that grew": (("+62102345678",), E164("+62102345678")),
    "an extension of the trunk": (("101",), Unusable("101")),
}


@pytest.mark.parametrize("form", SENT)
def test_a_caller_id_sent_as(form):
    sent, caller = SENT[form]
    assert parse(*sent) == caller


@pytest.mark.parametrize(
    ("caller", "masked", "key"),
    [
        (BOB, "+62 812-****-**90", "+6281234567890"),
        (E164("+62274512345"), "+62 274 ****45", "+62274512345"),
        (E164("+6591234567"), "+65 91** **67", "+6591234567"),
        (E164("+6281"), "+62 81", "+6281"),
        (Withheld("anonymous"), "nomor disembunyikan", None),
        (NoSim(IMEI), "tanpa SIM *************09", None),
        (NoSim(""), "tanpa SIM", None),
        (NoSim("1"), "tanpa SIM *", None),
        (Unusable("0800POLISI"), "nomor tidak terbaca (10 karakter)", None),
    ],
)
def test_logs_see_only_the_masked_form(caller, masked, key):
    assert caller.masked == masked
    assert caller.key == key


texts = st.one_of(
    st.text(max_size=200),
    st.text(st.characters(codec=None), max_size=30),
    st.text("0123456789+-;:@.<>\"'()/ ", max_size=40),
    st.from_regex(r"\+?[0-9]{0,20}", fullmatch=True),
    st.from_regex(
        r"(sip|tel|sips):\+?[0-9]{0,16}(@[a-z.]{0,12})?(;[a-z]=.{0,5})?", fullmatch=True
    ),
    urls(),
)


@given(texts, texts, texts, texts)
def test_any_text_is_some_kind_of_caller_and_never_shown_whole(num, name, pres, pai):
    caller = parse(num, name, pres, pai)
    assert isinstance(caller, E164 | Withheld | NoSim | Unusable)
    if caller.key:
        assert caller.key.startswith("+")
        assert caller.key[1:].isdigit()
        shown = sum(character.isdigit() for character in caller.masked)
        assert shown <= len(caller.key) - 4
    assert parse(num, name, pres, pai) == caller
