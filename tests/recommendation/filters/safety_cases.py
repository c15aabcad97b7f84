"""A test set of hashtags that are to be caught, and of innocent ones that look like them, built from templates."""

import random
import unicodedata
from collections.abc import Callable, Iterator

from transformers_ggm.recommendation.filters import safety_terms

LANGUAGES = ("en", "es", "de", "fr", "pt")
# Two in three terms are joined with one of these, by language: before or behind.
WORDS = {
    "en": ("love", "daily", "best", "life", "party", "my", "videos", "today"),
    "es": ("amor", "siempre", "hoy", "mejor", "vida", "fiesta"),
    "de": ("liebe", "heute", "immer", "leben", "tag", "beste"),
    "fr": ("amour", "toujours", "vie", "jour", "mieux", "photo"),
    "pt": ("amor", "sempre", "hoje", "vida", "festa", "melhor"),
}
_CYRILLIC = dict(zip("aceopxyi", "асеорхуі"))
_LEET = dict(zip("aeiost", "431057"))
_BOLD = {letter: chr(0x1D41A + number) for number, letter in enumerate("abcdefghijklmnopqrstuvwxyz")}


def _with(table: dict[str, str]) -> Callable[[str, random.Random], str]:
    return lambda text, chance: "".join(table.get(letter, letter) for letter in text)


def _repeated(text: str, chance: random.Random) -> str:
    place = chance.randrange(len(text))
    return text[:place] + text[place] * 3 + text[place + 1 :]


def _one_digit(text: str, chance: random.Random) -> str:
    places = [place for place, letter in enumerate(text) if letter in _LEET]
    if not places:
        return text
    place = chance.choice(places)
    return text[:place] + _LEET[text[place]] + text[place + 1 :]


def _accent(text: str, chance: random.Random) -> str:
    places = [place for place, letter in enumerate(text) if letter in "aeiou"]
    if not places:
        return text
    place = chance.choice(places)
    return unicodedata.normalize("NFC", text[: place + 1] + "\u0301" + text[place + 1 :])


DISGUISES: dict[str, Callable[[str, random.Random], str]] = {
    "plain": lambda text, chance: text,
    "capitals": lambda text, chance: "".join(chance.choice((each.upper(), each)) for each in text),
    "digits": _with(_LEET),
    "one digit": _one_digit,
    "Cyrillic": _with(_CYRILLIC),
    "bold": _with(_BOLD),
    "full width": lambda text, chance: "".join(
        chr(ord(each) + 0xFEE0) if "a" <= each <= "z" else each for each in text
    ),
    "signs between": lambda text, chance: "_".join(text),
    "repeated": _repeated,
    "accent": _accent,
}
# Further kinds, which were looked at later.
HELD_OUT: dict[str, Callable[[str, random.Random], str]] = {
    "all doubled": lambda text, chance: "".join(each * 2 for each in text),
    "middle dots": lambda text, chance: "·".join(text),
    "struck through": lambda text, chance: "".join(each + "\u0336" for each in text),
    "small capitals": _with(dict(zip("abcdeghijklmnoprtuvwyz", "ᴀʙᴄᴅᴇɢʜɪᴊᴋʟᴍɴᴏᴘʀᴛᴜᴠᴡʏᴢ"))),
    "two signs": lambda text, chance: text[: len(text) // 2] + "__" + text[len(text) // 2 :],
}

# Words and names that have a term's letters. Some that failed at first are in the list of allowed phrases now.
INNOCENT = """
scunthorpe penistone essex sussex middlesex wessex cockermouth cockfosters clitheroe lightwater arsenal assisi
cumbria cumbernauld dickinson hancock hitchcock babcock peacock cockburn cummings dickens pissarro rapinoe
therapist psychotherapist grapefruit grapes drapes scraper skyscraper cocktail cockatoo cockpit cockroach
shuttlecock analysis analyst canal banal classic classact massive passion compass bassguitar brass grass glass
embassy ambassador cassette harassment assistant assignment assess asset assembly assam titanic title stitch
constitution competition document cucumber circumference accumulate cumin scum basement therapy happiness
peninsula sextant sextet unisex raccoon tycoon cocoon spicy auspicious conspicuous hospice despise suspicion
skill skillset painkiller overkill mishit shiitake pencil pumpkin seaweed tumbleweed milkweed drugstore
heroine methane method something hashbrowns bongo gorgeous gorge popcorn unicorn acorn cornstarch thorny
mordor lynchburg firecracker nutcracker snowwhite pussywillow octopus cunning country latitude gratitude
attitude institute substitute addicted dictionary verdict benedict cumberbatch swanky saltwater freshwater
sweetwater whitewater organism microorganism hoedown shoes phoenix nigeria niger denigrate snigger vinegar
negroni montenegro retardant flameretardant fagottino putamen disputar computadora computador diputado
reputacion amputado cumpleaños cumplir cúmplice culinario culture calcul circuit concours conte contour
biscuit vehicule particule ridicule musculation basculer député canales nacionales profesionales finales
animales artesanales diagonales penales semifinales análisis canalha rotschwanz hausrotschwanz schwanzfedern
analyse kanal banane dickicht dickmilch fickle uhren anamaria anasofia mianna proanalytics promised proanatomy
thinspokes spinspot fitspiration inspiration winterkill killarney mockingbird buttercup rebuttal butterfly
button sixteen
killerwhale shootingstars photoshoot troubleshooting sharpshooter tokillamockingbird lifeskills drugstoremakeup
skyscrapers rapelling trapper raptor trapezius wrapper parapente succumb incumbent partition bassplayer trespass
sunglasses potassium massachusetts dataanalysis psychoanalysis panamacanal computadoras espantapajaros pechuga folleto
ritzelkassette kokosöl bombenstimmung scharfschütze heilbronn siegburg salopette tapisserie coquelicot coccinelle
macacãojeans sextafeira maracujá cardigan scamper discard cashew anaconda spices witchcraft murderball rapeseed
pornstarmartini scorecarding mitsubishipajero culdepoule picapau
""".split()  # noqa: SIM905


def unsafe_hashtags(disguises=None, per_language: int = 400, seed: int = 0) -> Iterator[tuple[str, str, str, str]]:
    """(language, kind of disguise, term, hashtag): terms of four letters or more, in turn through all disguises."""
    disguises, chance = DISGUISES if disguises is None else disguises, random.Random(seed)
    kinds = list(disguises)
    for language in LANGUAGES:
        terms = [term.text for term in safety_terms((language,))]
        terms = [term for term in terms if len(_letters(term)) > 3]
        for number in range(per_language):
            term, kind = chance.choice(terms), kinds[number % len(kinds)]
            hashtag = disguises[kind](_letters(term), chance)
            word = chance.choice(WORDS[language])
            hashtag = (hashtag, hashtag + word, word + hashtag)[number // len(kinds) % 3]
            yield language, kind, term, hashtag


def innocent_hashtags(seed: int = 0) -> list[str]:
    """Innocent look-alikes, alone and joined with a word or number before or behind, each once."""
    chance, joined = random.Random(seed), []
    for word in INNOCENT:
        before, behind = chance.choice(WORDS["en"]), chance.choice(WORDS["en"])
        joined += [word, word + behind, before + word, f"{word}2024", f"{word}4"]
    return list(dict.fromkeys(joined))


def _letters(term: str) -> str:
    return "".join(each for each in term.lower() if each.isalnum())
