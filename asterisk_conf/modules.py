"""Every Asterisk module a centre loads, in load order, with its use; and what each one offers.

The applications and functions listed here are the only ones the dialplan may use: the check in
`asterisk_conf.check` refuses any other. Read off Asterisk 22.10.1 with `core show applications`.
"""

from __future__ import annotations

from typing import Final

MODULES: Final[tuple[tuple[str, str], ...]] = (
    ("res_timing_timerfd", "the clock behind playback, music and conferences"),
    ("codec_alaw", "G.711 A-law, what Indonesian trunks speak"),
    ("codec_ulaw", "G.711 mu-law, for an outside gateway that speaks nothing else"),
    ("codec_a_mu", "between the two"),
    ("format_wav", "prompts and recordings"),
    ("res_crypto", "keys, needed by res_pjsip"),
    ("res_sorcery_config", "pjsip.conf is read through it"),
    ("res_sorcery_memory", "res_pjsip keeps in it what lives as long as a call"),
    ("res_sorcery_astdb", "SIP contacts survive a restart"),
    ("res_pjproject", "the SIP stack"),
    ("res_pjsip", "SIP"),
    ("res_pjsip_session", "SIP calls"),
    ("res_pjsip_sdp_rtp", "audio of SIP calls"),
    ("res_rtp_asterisk", "RTP"),
    ("res_pjsip_acl", "acl.conf before anything else"),
    ("res_pjsip_endpoint_identifier_ip", "a trunk is its address"),
    ("res_pjsip_endpoint_identifier_user", "a phone is its user name, then its password"),
    ("res_pjsip_authenticator_digest", "passwords of phones"),
    ("res_pjsip_registrar", "phones register"),
    ("res_pjsip_caller_id", "From and P-Asserted-Identity"),
    ("res_pjsip_header_funcs", "PJSIP_HEADER, to keep what the trunk asserted"),
    ("res_pjsip_dtmf_info", "keys sent by SIP INFO"),
    ("res_pjsip_rfc3326", "the reason of a hang-up"),
    ("res_pjsip_nat", "phones and trunks behind NAT"),
    ("res_pjsip_pubsub", "res_pjsip_refer and chan_pjsip need it"),
    ("res_pjsip_refer", "transfer from a call-taker's phone"),
    ("chan_pjsip", "SIP channels"),
    ("bridge_simple", "two people talk"),
    ("bridge_softmix", "three and more talk"),
    ("res_musiconhold", "the tune while waiting"),
    ("res_speech", "res_agi needs it"),
    ("res_agi", "our conversations"),
    ("res_security_log", "who knocked without a key"),
    ("res_cdrel_custom", "writes the journal's lines (Asterisk 22.10 and later)"),
    ("cel_custom", "the journal"),
    ("app_celgenuserevent", "a line of the journal from the dialplan"),
    ("pbx_config", "extensions.conf"),
    ("app_stack", "Gosub, hangup handlers"),
    ("app_exec", "ExecIf"),
    ("app_playback", "static prompts"),
    ("app_dial", "ring-all, outside numbers, colleagues"),
    ("app_queue", "the line and its distribution"),
    ("app_mixmonitor", "recording"),
    ("app_confbridge", "the room for three and more"),
    ("func_callerid", "CALLERID"),
    ("func_channel", "CHANNEL, MASTER_CHANNEL"),
    ("func_devstate", "DEVICE_STATE: is a phone there"),
    ("func_logic", "IF"),
    ("func_strings", "FILTER, SHIFT, STRFTIME"),
    ("func_timeout", "TIMEOUT(absolute), the dead man's handle"),
    ("func_uri", "URIENCODE for the journal"),
)

APPLICATIONS: Final[frozenset[str]] = frozenset(
    {
        "AGI",
        "Answer",
        "CELGenUserEvent",
        "ConfBridge",
        "Dial",
        "ExecIf",
        "Gosub",
        "Goto",
        "GotoIf",
        "Hangup",
        "MixMonitor",
        "Playback",
        "Queue",
        "Return",
        "Set",
        "StopMixMonitor",
        "Wait",
    }
)

EXECUTED: Final[frozenset[str]] = frozenset(
    {"AddQueueMember", "PauseQueueMember", "RemoveQueueMember", "UnpauseQueueMember"}
)
"""Applications that conversations run on a channel (the star codes); never in the dialplan."""

FUNCTIONS: Final[frozenset[str]] = frozenset(
    {
        "CALLERID",
        "CHANNEL",
        "DEVICE_STATE",
        "FILTER",
        "IF",
        "MASTER_CHANNEL",
        "PJSIP_HEADER",
        "QUEUE_MEMBER",
        "QUEUE_MEMBER_LIST",
        "SHIFT",
        "STRFTIME",
        "TIMEOUT",
        "URIENCODE",
    }
)
