"""Further kinds of disguise, by letters, signs, sounds, slips and words beside; and those of Chinese."""

import random
import unicodedata
from collections.abc import Callable, Iterator
from string import ascii_lowercase

import regex
from safety_cases import LANGUAGES, WORDS

from transformers_ggm.recommendation.filters import safety_terms
from transformers_ggm.recommendation.filters.chinese_sounds import syllables

Disguise = Callable[[str, random.Random], str]
# A to z in the alphabets of generators of fancy text, a dot where one has no such letter.
ALPHABETS = {
    "small capitals": "ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘǫʀꜱᴛᴜᴠᴡ.ʏᴢ",
    "Canadian": "ᗩᗷᑕᗪEᖴGᕼIᒍKᒪᗰᑎOᑭᑫᖇᔕTᑌᐯᗯ᙭Yᘔ",
    "Han": "卂乃匚ᗪ乇千Ꮆ卄丨ﾌҜㄥ爪几ㄖ卩Ɋ尺丂ㄒㄩᐯ山乂ㄚ乙",
    "phonetic": "ǟɮƈɖɛʄɢɦɨʝӄʟʍռօքզʀֆȶʊʋաӼʏʐ",
    "Greek": "αв¢∂єƒgнιנкℓмησρqяѕтυνωχуz",
    "Cyrillic capitals": "АВСDЕFGНІЈКLМNОРQRЅТUVWХУZ",
    "turned": "ɐqɔpǝɟƃɥᴉɾʞlɯuodbɹsʇnʌʍxʎz",
}
# Where the letter a stands among others: circles, squares, flags, styles of mathematics.
STYLES = {"circles": 0x24D0, "black circles": 0x1F150, "black squares": 0x1F170, "flags": 0x1F1E6, "script": 0x1D4EA}
SOUNDS = (("f", "ph"), ("ph", "f"), ("x", "ks"), ("ck", "k"), ("s", "z"), ("k", "c"), ("u", "oo"), ("qu", "kw"))
LOOKS = (("m", "rn"), ("w", "vv"), ("d", "cl"))


def _table(letters: str) -> Disguise:
    table = {plain: sign for plain, sign in zip(ascii_lowercase, letters) if sign != "."}
    return lambda text, chance: "".join(table.get(letter, letter) for letter in text)


def _between(signs: str) -> Disguise:
    return lambda text, chance: chance.choice(signs).join(text)


def _once(signs: str) -> Disguise:
    def disguise(text: str, chance: random.Random) -> str:
        place = chance.randrange(1, len(text))
        return text[:place] + chance.choice(signs) + text[place:]

    return disguise


def _first_of(pairs: tuple[tuple[str, str], ...]) -> Disguise:
    def disguise(text: str, chance: random.Random) -> str:
        found = [pair for pair in pairs if pair[0] in text]
        return text.replace(*chance.choice(found)) if found else text

    return disguise


def _slip(kind: str) -> Disguise:
    def disguise(text: str, chance: random.Random) -> str:
        if len(text) < 8:
            return text
        place = chance.randrange(1, len(text) - 2)
        middle = {"swapped": text[place + 1] + text[place], "missing": text[place + 1], "doubled": text[place] * 2}[
            kind
        ]
        return text[:place] + middle + text[place + (1 if kind == "doubled" else 2) :]

    return disguise


def _for_a_vowel(signs: str) -> Disguise:
    def disguise(text: str, chance: random.Random) -> str:
        places = [place for place in range(1, len(text) - 1) if text[place] in "aeiou"]
        place = chance.choice(places) if places and len(text) > 3 else None
        return text if place is None else text[:place] + chance.choice(signs) + text[place + 1 :]

    return disguise


def _ended(text: str, chance: random.Random) -> str:
    return text + chance.choice(("tok", "core", "twt", "ers")) if len(text) > 4 else text


def _in_pinyin(text: str, chance: random.Random) -> str:
    place = chance.randrange(len(text))
    return text[:place] + syllables().get(text[place], text[place]) + text[place + 1 :]


DISGUISES: dict[str, Disguise] = {
    **{name: _table(letters) for name, letters in ALPHABETS.items()},
    **{name: _table("".join(chr(first + place) for place in range(26))) for name, first in STYLES.items()},
    "emoji between": _between("🔥💀❤😂"),
    "one emoji": _once("🔥💀❤😂"),
    "unseen between": _between("\u200b\u2060\u00ad\ufeff\u200d"),
    "signs between": _between(".*~-•"),
    "one sign": _once("._-~ "),
    "marks": lambda text, chance: "".join(each + chance.choice("\u0336\u0332\u20dd\u0303") for each in text),
    "sounds": _first_of(SOUNDS),
    "looks": _first_of(LOOKS),
    "swapped": _slip("swapped"),
    "missing": _slip("missing"),
    "doubled": _slip("doubled"),
    "masked": _for_a_vowel("*"),
    "signs for vowels": _for_a_vowel("@%&"),
    "emoji for vowels": _for_a_vowel("🌽🍆🔥"),
    "digits between": lambda text, chance: "".join(letter + chance.choice("24679") for letter in text),
    "ended": _ended,
    "backwards": lambda text, chance: text[::-1],
    "vowels doubled": lambda text, chance: regex.sub("[aeiou]", r"\g<0>\g<0>", text),
    "digits and signs": _table("@.(.3.....1...0...$7......"),
    "fewer capitals": lambda text, chance: "".join(chance.choice((each.upper(), each)) for each in "_".join(text)),
}
# What is still read where other words stand beside it.
JOINED = frozenset({"small capitals", "circles", "black squares", "script", "unseen between", "vowels doubled"})
CHINESE: dict[str, Disguise] = {
    "signs between": _between("_*.·、"),
    "one digit": _once("0123456789"),
    "one emoji": _once("🔥💀❤"),
    "marks": lambda text, chance: "".join(each + "\u0336" for each in text),
    "one particle": lambda text, chance: text[0] + chance.choice("个了一") + text[1:],
    "one in pinyin": _in_pinyin,
    "among others": lambda text, chance: chance.choice(("同城", "最新")) + text + "2026",
    "behind": lambda text, chance: text + chance.choice(("视频", "日常", "2026", "教程")),
}


def disguised_hashtags(per_language: int = 400, seed: int = 1) -> Iterator[tuple[str, str, str, str]]:
    """(language, kind, term, hashtag): terms of four letters or more, or two Chinese characters, through all kinds."""
    chance = random.Random(seed)
    for language in (*LANGUAGES, "zh"):
        kinds, shortest = (CHINESE, 2) if language == "zh" else (DISGUISES, 4)
        terms = [_plain(term.text) for term in safety_terms((language,))]
        terms = [term for term in terms if len(term) >= shortest and not (language == "zh" and term.isascii())]
        for number in range(per_language):
            kind, term = list(kinds)[number % len(kinds)], chance.choice(terms)
            words = WORDS.get(language, ())
            joined = chance.choice(words) + term if kind in JOINED and words and number % 3 == 0 else term
            yield language, kind, term, kinds[kind](joined, chance)


def common_pairs(per_language: int = 400, seed: int = 1) -> Iterator[str]:
    """Common words of six languages joined in pairs, none of which is a term."""
    from wordfreq import top_n_list

    chance, terms = random.Random(seed), {_plain(term.text) for term in safety_terms()}
    for language in (*LANGUAGES, "zh"):
        words = [word for word in top_n_list(language, 5000) if word.isalpha() and len(word) > 1]
        words = [word for word in words if _plain(word) not in terms]
        for _ in range(per_language):
            yield chance.choice(words) + chance.choice(words)


def _plain(text: str) -> str:
    letters = unicodedata.normalize("NFD", text.lower().replace("ß", "ss"))
    return "".join(each for each in letters if each.isalnum())
