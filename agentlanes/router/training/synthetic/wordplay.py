"""Questions that are answered by knowing or by ear, long as they may be: nothing is worked out."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from agentlanes.router.training.rows import Row
from agentlanes.router.training.synthetic.puzzles import with_options

__all__ = ["wordplay"]

_TITLES = ("The Glass Harbour", "Midnight Orchard", "Paper Kings", "A Winter Abroad", "Salt Road",
           "The Last Ferry", "Green Thunder", "Quiet Engines", "House of Foxes")  # fmt: skip
_PEOPLE = ("the nurse", "the painter", "the driver", "the judge", "the coach", "the clerk",
           "the chef", "the pilot", "the editor")  # fmt: skip
_ADJECTIVES = ("old", "small", "wooden", "green", "lovely", "Spanish", "round", "heavy", "new")
_NOUNS = ("chair", "boat", "coat", "knife", "clock", "basket", "violin")
_PLACES = ("Portugal", "Kenya", "Norway", "Peru", "Vietnam", "Ghana", "Finland", "Chile", "Nepal")


def wordplay(n: int, seed: int) -> list[Row]:
    """Make `n` questions, all of them easy.

    Example:
        >>> {row.target for row in wordplay(8, seed=1)}
        {0.0}
    """
    random = Random(f"wordplay {seed}")
    rows = []
    for i in range(n):
        drawn = [random.choice(_KINDS)(random) for _ in range(3)]
        text, answers = max(drawn, key=lambda made: len(made[0])) if i % 2 else drawn[0]
        if random.random() < 0.6:
            text = with_options(random, text, answers)
        rows.append(Row(text=text, target=0.0, source="made wordplay", kind="puzzle"))
    return rows


def _similar(random: Random) -> tuple[str, tuple[str, ...]]:
    kind = random.choice(["movie", "film", "book", "song", "band"])
    return (
        f"People who loved {', '.join(random.sample(_TITLES, random.randint(2, 4)))} would like which "
        f"other {kind}?",
        tuple(random.sample(_TITLES, 4)),
    )


def _sarcasm(random: Random) -> tuple[str, tuple[str, ...]]:
    lines = ("What a great plan, let us all be late again", "The bus came on time today",
             "He is so modest that he told everyone", "I enjoyed the soup",
             "Sure, because that worked so well before")  # fmt: skip
    asked = random.choice(["Which remark is sarcastic?", "Is the last remark meant seriously?",
                           "Which of these sounds ironic?"])  # fmt: skip
    return asked, tuple(random.sample(lines, 3))


def _humour(random: Random) -> tuple[str, tuple[str, ...]]:
    title = random.choice(_TITLES)
    return (
        f"Someone changed the {random.choice(['film', 'band', 'book'])} title '{title}' for a laugh. "
        "Which version is the funny one?",
        tuple(title.replace("e", letter, 1) for letter in "aiou"),
    )


def _plausible(random: Random) -> tuple[str, tuple[str, ...]]:
    who = random.choice(["Mara Quist", "Tom Adeyemi", "Jon Bright", "Lia Moreno"])
    did = random.choice(["scored a header", "took a wicket", "hit a backhand down the line",
                         "won the relay in the third period", "dunked in the final"])  # fmt: skip
    return f'Would a sports reporter say this? "{who} {did}."', ("yes", "no")


def _adjectives(random: Random) -> tuple[str, tuple[str, ...]]:
    words = random.sample(_ADJECTIVES, 3)
    noun = random.choice(_NOUNS)
    return "Which of these do native speakers say?", (
        f"{' '.join(words)} {noun}",
        f"{' '.join(reversed(words))} {noun}",
    )


def _pronoun(random: Random) -> tuple[str, tuple[str, ...]]:
    one, other = random.sample(_PEOPLE, 2)
    why = random.choice(["was late", "had finished the work", "was new", "needed advice"])
    return (
        f"{one.capitalize()} met {other} because {random.choice(['she', 'he', 'they'])} {why}. "
        "Who is meant by the pronoun, or is that unclear?",
        (f"{one} {why}", f"{other} {why}", "unclear"),
    )


def _cause(random: Random) -> tuple[str, tuple[str, ...]]:
    one, other = random.sample(_PEOPLE, 2)
    return (
        f"{one.capitalize()} and {other} share an old machine in the workshop. The rules say that "
        f"only {one} may use it in the morning. One morning {other} uses it as well, although "
        "everybody had been told of the rule. The machine has never been strong, and with two "
        "people at it the machine breaks down, so that nobody can go on with the work that day. "
        f"What would most people say: did {other} cause this?",
        ("Yes", "No"),
    )


def _translation(random: Random) -> tuple[str, tuple[str, ...]]:
    place = random.choice(_PLACES)
    return (
        "What is wrong with the English version: a name, a number, something left out, or a fact? Das "
        f"kleine Haus am Fluss in {place} wurde im Jahr {random.randint(1700, 1990)} gebaut und "
        "gehört heute der Gemeinde. / The small house by the river was built in "
        f"{random.randint(1700, 1990)} and belongs to the community today.",
        ("a name", "a number", "something left out", "a fact"),
    )


def _feeling(random: Random) -> tuple[str, tuple[str, ...]]:
    said = random.choice(
        ["The soup was cold and the waiter looked past us all evening.",
         "I have never slept better in a hotel, and the view is a dream.",
         "It does what it says, no more."]
    )  # fmt: skip
    lead = random.choice(["What is the sentiment of this review?", "Is this positive or negative?",
                          "Classify the text as positive, negative or neutral."])  # fmt: skip
    return f"{lead}\n{said}", ("positive", "negative", "neutral")


def _fact(random: Random) -> tuple[str, tuple[str, ...]]:
    place = random.choice(_PLACES)
    asked = random.choice(
        [f"What is the capital of {place}?", f"Which currency is used in {place}?",
         f"Which ocean or sea does {place} border?", f"Who wrote {random.choice(_TITLES)}?",
         f"What language do most people speak in {place}?",
         f"In which year did {place} join the league?",
         "What does the idiom 'to turn over a new leaf' mean?",
         "What is the opposite of 'generous'?", "Which gas do plants take in?",
         "What is the plural of 'mouse'?", "How do you say 'thank you' in Swahili?"]
    )  # fmt: skip
    return asked, tuple(random.sample(_PLACES, 4))


_KINDS: tuple[Callable[[Random], tuple[str, tuple[str, ...]]], ...] = (
    _similar, _sarcasm, _humour, _plausible, _adjectives, _pronoun, _cause, _translation, _feeling,
    _fact,
)  # fmt: skip
