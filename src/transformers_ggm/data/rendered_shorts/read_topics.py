"""
What is said in clips, and what stands on their screen: topics (the hashtags) and phrases that tell of them. As in
`words`, no phrase names a colour, a shape, a movement or a sound of the vocabulary, or another topic.
"""

SPOKEN_TOPICS: dict[str, tuple[str, ...]] = {
    "breadbaking": (
        "the bread came out of the oven",
        "I knead the flour and the yeast by hand",
        "we bake our bread with a lot of flour",
        "how to bake bread in a small oven",
    ),
    "guitarlesson": (
        "this is how you play the guitar",
        "I learned three chords on my guitar",
        "my guitar teacher showed me this chord",
        "tune all the strings of your guitar first",
    ),
    "marathon": (
        "I am running my first marathon",
        "twenty miles to go in this marathon",
        "the runners are ready for the marathon",
        "the marathon begins and the runners start",
    ),
    "firststeps": (
        "the baby took her first steps today",
        "our baby is learning to walk",
        "look how the baby walks to her mother",
        "the baby makes another step",
    ),
    "fishingtrip": (
        "we caught a big fish in the river",
        "my father taught me how to fish",
        "we went fishing in a small boat",
        "this fish was too big for our boat",
    ),
    "housecleaning": (
        "today I clean the whole kitchen",
        "I clean the windows and the floor",
        "this is how I clean my bathroom",
        "vinegar will clean the dirty floor",
    ),
    "mathhelp": (
        "let me explain this equation to you",
        "how to solve the equation in two minutes",
        "the answer to this equation is seven",
        "mathematics is easy with this equation",
    ),
    "haircut": (
        "she cut my hair very short",
        "I have cut my own hair today",
        "the barber cut my hair and my beard",
        "do you like my new hair",
    ),
}
WRITTEN_TOPICS: dict[str, tuple[str, ...]] = {
    "budgettips": ("save 500 dollars a month", "where your money goes", "a budget for beginners", "save money now"),
    "openingsoon": (
        "our new shop opens soon",
        "grand opening on Friday",
        "opening next Friday",
        "the shop opens",
    ),
    "giveaway": ("win two free tickets", "comment to win", "tickets to win", "win this phone"),
    "meditation": ("breathe in and out", "ten calm minutes", "breathe with me", "calm your mind"),
    "jobopening": ("we are hiring a driver", "now hiring", "hiring nurses", "apply today, we are hiring"),
    "veganrecipe": ("vegan lentils", "no eggs, vegan", "vegan burger, 4 servings", "a vegan lasagna"),
    "recycling": ("recycle your glass", "plastic is not trash", "how to recycle plastic", "less plastic"),
    "electionday": ("vote before eight", "go and vote", "your vote counts", "who gets your vote?"),
}
