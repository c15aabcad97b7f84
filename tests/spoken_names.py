"""Names and descriptions as people of many scripts give them."""

import os
import sys
import unicodedata

SPOKEN = {
    "first snow": "first snow of the year",
    "أول ثلج": "أول ثلج في السنة #ثلج",
    "หิมะแรก": "หิมะแรกของปี",
    "पहली बर्फ़": "साल की पहली बर्फ़",
    "初雪": "今年の初雪、うれしい",
    "❄️👩‍👩‍👧🇨🇦": "❄️ first 👩🏽‍🚀 snow 🇨🇦",
    "שלג first ثلج": "שלג \u202efirst\u202c ثلج",
    "CON": "a name that Windows keeps",
    "'single' and %41 #1 & [2] {3}": 'a name with "signs"',
    unicodedata.normalize("NFD", "été"): "decomposed on the disk",
    "cut": "an emoji cut in two \ud83d",
}
if sys.platform != "win32":
    SPOKEN |= {'new\nline, "double" and \\back': "lines\nand\ttabs"}
if sys.platform not in ("win32", "darwin"):
    SPOKEN |= {os.fsdecode(b"caf\xe9 \xff"): "a name of other bytes"}


def whole(words):
    """A description as it must reach a model."""
    return words.replace("\ud83d", "\ufffd")
