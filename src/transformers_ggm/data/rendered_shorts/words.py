"""What descriptions are about: topics (the hashtags), phrases that tell of them, and sentences made of the phrases.

No phrase names a colour, a shape, a movement or a sound of the vocabulary: the words tell nothing about the video.
"""

import numpy as np

TOPICS: dict[str, tuple[str, ...]] = {
    "birthday": (
        "blowing out all those candles",
        "turning thirty",
        "cake for breakfast because I am a year older",
        "my birthday surprise",
        "getting one year wiser",
        "another candle on the cake",
    ),
    "wedding": (
        "saying yes to forever",
        "my best friend walking down the aisle",
        "the wedding of the year",
        "our first dance as husband and wife",
        "crying at the vows",
        "catching the bouquet",
    ),
    "roadtrip": (
        "twelve hours on the highway",
        "gas station snacks and a full tank",
        "the longest road trip of our lives",
        "windows down on the open road",
        "getting lost somewhere in Nevada",
        "packing the trunk for the drive to the coast",
    ),
    "mondaymood": (
        "needing another weekend already",
        "surviving the first day of the week",
        "snoozing the alarm five times before work",
        "that Monday feeling",
        "starting the week on three hours of sleep",
        "answering emails nobody read over the weekend",
    ),
    "snowday": (
        "school being closed because of the blizzard",
        "building a snowman with the neighbours",
        "the first snow of the year",
        "hot cocoa and wet mittens",
        "sledding until it got dark",
        "digging the car out again",
    ),
    "homecooking": (
        "grandma's soup recipe",
        "a pot of stew that took all day",
        "chopping onions for dinner",
        "cooking at home instead of ordering in",
        "finally getting the sauce to thicken",
        "leftovers that taste better than takeout",
    ),
    "coffeetime": (
        "my third espresso before noon",
        "a latte the size of my head",
        "coffee with an old friend",
        "fresh beans from the corner roaster",
        "needing caffeine to function",
        "trying foam art with oat milk",
    ),
    "bookclub": (
        "finishing four hundred pages in one sitting",
        "a plot twist nobody saw coming",
        "this month's book club pick",
        "arguing about the last chapter",
        "a paperback that smells like the library",
        "adding ten more novels to the pile",
    ),
    "gymday": (
        "leg day",
        "a new personal best on the bench press",
        "dragging myself to the gym",
        "sore muscles and protein shakes",
        "one more set of squats",
        "lifting heavy before sunrise",
    ),
    "gardening": (
        "the first tomatoes from the backyard",
        "dirt under my fingernails",
        "a Sunday in the garden",
        "pulling weeds for three hours",
        "planting basil on the balcony",
        "seedlings on every windowsill",
    ),
    "graduation": (
        "throwing my cap in the air",
        "four years for one diploma",
        "graduation at last",
        "walking across the stage in a gown",
        "officially having a degree",
        "the class photo with all the professors",
    ),
    "newjob": (
        "my first day at the office",
        "signing the contract",
        "starting a new job",
        "meeting my coworkers and forgetting every name",
        "getting hired after ten interviews",
        "a desk with my name on it",
    ),
    "familytime": (
        "three generations at one table",
        "an afternoon with my cousins",
        "quality time with the family",
        "mom telling that story again",
        "Sunday lunch with my parents",
        "all my siblings in one room",
    ),
    "gamenight": (
        "losing at chess again",
        "dice, cards and too many snacks",
        "game night with the crew",
        "a Monopoly fight that lasted hours",
        "beating everyone at charades",
        "explaining the rules for the fourth time",
    ),
    "movienight": (
        "popcorn and a double feature",
        "dozing off before the credits",
        "movie night on the couch",
        "crying over the same film twice",
        "watching the whole trilogy",
        "taking an hour to pick something to stream",
    ),
    "beachday": (
        "sand in my sandwich",
        "sunscreen and a good towel",
        "a whole day at the beach",
        "swimming in the ocean until dinner",
        "salty hair and a sunburn",
        "collecting seashells with the kids",
    ),
    "camping": (
        "sleeping in a tent",
        "marshmallows over the campfire",
        "camping without any signal",
        "waking up in the forest",
        "mosquito bites and sleeping bags",
        "pitching the tent in the dark",
    ),
    "catlife": (
        "my kitten sleeping on the keyboard",
        "a cat that thinks it owns the place",
        "nine lives and zero manners",
        "whiskers in my breakfast",
        "another scratched sofa",
        "being ignored by the cat",
    ),
    "puppylove": (
        "bringing the puppy home",
        "a wagging tail at the door",
        "teaching the dog to sit",
        "muddy paws on the carpet",
        "belly rubs for the good boy",
        "a labrador who steals socks",
    ),
    "thriftfinds": (
        "a vintage jacket for five dollars",
        "digging through the flea market",
        "the best thrift store in town",
        "second-hand treasures",
        "a lamp someone gave away",
        "paying almost nothing for these boots",
    ),
    "studylife": (
        "cramming for finals",
        "highlighting every line of the textbook",
        "living in the library until exams are over",
        "a study session that never ends",
        "flashcards at midnight",
        "writing an essay the night before",
    ),
    "citywalk": (
        "wandering downtown without a map",
        "skyscrapers and side streets",
        "a long walk through the city",
        "ten thousand steps between cafes",
        "getting off one subway stop early",
        "strolling past the old market",
    ),
    "pizzanight": (
        "extra cheese and a crispy crust",
        "pizza for the third time this week",
        "eating the last slice",
        "pepperoni to the edge",
        "tossing dough in my own kitchen",
        "pineapple as a topping",
    ),
    "nightshift": (
        "clocking in at midnight",
        "working while everyone sleeps",
        "the night shift at the hospital",
        "vending machine dinner at 3 am",
        "going to bed at sunrise",
        "twelve hours on the late ward",
    ),
}
_OPENERS = (
    "",
    "",
    "",
    "Still smiling about",
    "Today was all about",
    "Nothing better than",
    "Here's to",
    "Can't stop thinking about",
    "Current status:",
    "So ready for",
    "Never tired of",
    "Small joys:",
    "A day in my life:",
    "Not over",
)
_JOINERS = (" and {}", ", then {}", ", plus {}", ", followed by {}", ". Also: {}")
_CLOSERS = (".", ".", "", "", "!", " :)", ", who else?", ". Love it.", ". Tell me about yours!", ". More tomorrow.")


def describe(topics: list[str], rng: np.random.Generator) -> str:
    """One composed text that tells of each topic in order; an empty text where there is no topic."""
    if not topics:
        return ""
    phrases = [str(rng.choice(TOPICS[topic])) for topic in topics]
    text = phrases[0] + "".join(str(rng.choice(_JOINERS)).format(phrase) for phrase in phrases[1:])
    text = f"{rng.choice(_OPENERS)} {text}".strip() + str(rng.choice(_CLOSERS))
    return text[0].upper() + text[1:]
