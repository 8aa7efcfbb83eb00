"""Puzzles with a depth: how many facts have to be kept in mind and combined.

Each kind is made at a depth from 1 to 8. Up to 1 the answer can be read off (easy), from 3 it has
to be worked out (hard). Some stand as questions, some with options, as such tasks do.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from random import Random

from agentlanes.router.training.rows import Row

__all__ = ["puzzles", "with_options"]

_PEOPLE = ("Anna", "Boris", "Chloe", "Dario", "Elif", "Femi", "Greta", "Hugo", "Ines", "Jonas")
_COLOURS = ("red", "blue", "green", "yellow", "purple", "orange", "black", "white", "pink")
_GOODS = ("ball", "hat", "book", "scarf", "key", "mug", "kite", "drum", "lamp", "vase")
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_PLAIN = ("apple", "stone", "river", "candle", "violin", "meadow", "anchor", "lantern", "copper",
          "tiger", "basket", "orchid", "walnut", "glacier", "pepper")  # fmt: skip


def puzzles(n: int, seed: int) -> list[Row]:
    """Make `n` puzzles, five in six of them hard.

    Example:
        >>> {row.source for row in puzzles(8, seed=1)}
        {'made puzzles'}
    """
    random = Random(f"puzzles {seed}")
    rows: list[Row] = []
    while len(rows) < n:
        hard = len(rows) % 6 != 5
        depth = random.randint(3, 8) if hard else 1
        # Length alone should say little: deep puzzles are kept short, shallow ones long.
        drawn = [random.choice(_KINDS)(random, depth) for _ in range(3)]
        text, answers = (min if hard else max)(drawn, key=lambda made: len(made[0]))
        if random.random() < 0.5:
            text = with_options(random, text, answers)
        rows.append(Row(text=text, target=float(hard), source="made puzzles", kind="puzzle"))
    return rows


def with_options(random: Random, text: str, answers: tuple[str, ...]) -> str:
    """Put the answers to choose from below a question."""
    marks = random.choice(["({})", "{}.", "- {}"])
    letters = "ABCDEFGH"
    lines = [f"{marks.format(letters[i])} {a}" for i, a in enumerate(answers[: len(letters)])]
    if marks.startswith("-"):
        lines = [f"- {answer}" for answer in answers]
    return text + random.choice(["\nOptions:\n", "\n", "\n\n"]) + "\n".join(lines)


def _swaps(random: Random, depth: int) -> tuple[str, tuple[str, ...]]:
    people = random.sample(_PEOPLE, random.randint(3, 5))
    goods = random.sample(_GOODS, len(people))
    verb = random.choice(["swap", "trade", "exchange"])
    held = ", ".join(f"{p} has a {g}" for p, g in zip(people, goods, strict=True))
    moves = [
        "{} and {} {} what they hold".format(*random.sample(people, 2), verb) for _ in range(depth)
    ]
    told = ". Then ".join(moves)
    return (
        f"To begin with, {held}. {told}. After all of this, what does {random.choice(people)} hold?",
        tuple(goods),
    )


def _row(random: Random, depth: int) -> tuple[str, tuple[str, ...]]:
    names = random.sample(_COLOURS, max(3, min(depth, 7)))
    what = random.choice(["book", "bird", "car", "house"])
    how = random.choice(["to the left of", "to the right of", "older than", "newer than",
                         "more expensive than"])  # fmt: skip
    facts = [
        "The {} {w} is {h} the {} {w}".format(*random.sample(names, 2), w=what, h=how)
        for _ in range(depth)
    ]
    place = random.choice(["leftmost", "second from the right", "the oldest", "the third cheapest"])
    return (
        f"{len(names)} {what}s stand side by side. {'. '.join(facts)}. Which one is {place}?",
        tuple(f"The {name} {what}" for name in names),
    )


def _liars(random: Random, depth: int) -> tuple[str, tuple[str, ...]]:
    people = random.sample(_PEOPLE, min(depth + 1, 9))
    told = [f"{people[0]} is {random.choice(['honest', 'a liar'])}"]
    for one, other in zip(people[1:], people, strict=False):
        told.append(
            f"{one} {random.choice(['says', 'claims'])} that {other} is {random.choice(['honest', 'a liar', 'telling the truth', 'lying'])}"
        )
    return f"{'. '.join(told)}. Is {people[-1]} telling the truth?", ("Yes", "No")


def _walk(random: Random, depth: int) -> tuple[str, tuple[str, ...]]:
    moves = []
    for _ in range(depth):
        moves.append(
            f"Go {random.randint(1, 9)} {random.choice(['steps', 'paces', 'metres'])}{random.choice([' forward', ' back', '', ' to the left'])}"
        )
        if random.random() < 0.6:
            moves.append(f"Turn {random.choice(['left', 'right', 'around'])}")
    return (
        f"A robot is told: {'. '.join(moves)}. Where does it stand now, and does it end where it began?",
        ("Yes", "No"),
    )


def _booleans(random: Random, depth: int) -> tuple[str, tuple[str, ...]]:
    def made(left: int) -> str:
        if left <= 0:
            return random.choice(["True", "False"])
        if random.random() < 0.3:
            return f"not ( {made(left - 1)} )"
        inner = f"{made(left // 2)} {random.choice(['and', 'or'])} {made(left - 1 - left // 2)}"
        return f"( {inner} )" if random.random() < 0.6 else inner

    lead = random.choice(["Evaluate: ", "", "What is the value of "])
    return f"{lead}{made(depth)}{random.choice([' is', '', ' ='])}", ("True", "False")


def _arithmetic(random: Random, depth: int) -> tuple[str, tuple[str, ...]]:
    def made(left: int) -> str:
        if left <= 0:
            return str(random.randint(-9, 9))
        return f"({made(left // 2)} {random.choice('+-*')} {made(left - 1 - left // 2)})"

    return f"{made(depth + 1)} =", tuple(str(random.randint(-99, 99)) for _ in range(4))


def _brackets(random: Random, depth: int) -> tuple[str, tuple[str, ...]]:
    kinds = {"(": ")", "[": "]", "{": "}", "<": ">"}
    opened = [random.choice(list(kinds)) for _ in range(depth + 2)]
    closed = " ".join(kinds[mark] for mark in reversed(opened[depth // 2 + 1 :]))
    return (
        f"{random.choice(['Close what is still open', 'Which brackets are missing at the end'])}: {' '.join(opened)} {closed}",
        ("] )", ") >", "} ]"),
    )


def _dates(random: Random, depth: int) -> tuple[str, tuple[str, ...]]:
    facts = [
        random.choice(
            [
                f"The meeting was moved {random.randint(2, 9)} days later",
                f"It was first meant to be on a {random.choice(_DAYS)}",
                f"That is {random.randint(2, 5)} weeks before the anniversary",
                "But somebody read the date in another format",
                f"Today is the {random.randint(2, 28)}th of March, {random.randint(1950, 2020)}",
            ]
        )
        for _ in range(depth)
    ]
    asked = random.choice(["the day before", "three days later", "a week after that", "a year ago"])
    return f"{'. '.join(facts)}. Which date was it {asked}?", (
        "01/12/1994", "02/11/2004", "12/31/1999",
    )  # fmt: skip


def _counting(random: Random, depth: int) -> tuple[str, tuple[str, ...]]:
    goods = random.sample([*_GOODS, *_PLAIN], min(depth + 1, 9))
    held = ", ".join(
        f"{random.choice(['a', 'two', 'three', 'four', 'five'])} {item}s" for item in goods
    )
    return (
        f"{random.choice(['In the cupboard are', 'We packed', 'I own'])} {held}. How many things is that?",
        ("5", "8", "11", "14"),
    )


def _gaps(random: Random, depth: int) -> tuple[str, tuple[str, ...]]:
    who = random.choice(_PEOPLE)
    seen = [
        f"{random.choice(_PEOPLE)} saw {who} at the {random.choice(['gym', 'bank', 'park'])} from "
        f"{hour}{random.choice(['am', 'pm'])} to {hour + 1}{random.choice(['am', 'pm'])}"
        for hour in random.sample(range(1, 11), depth)
    ]
    return (
        f"{'. '.join(seen)}. The pool is shut from 10pm. During which hours can {who} have been at "
        "the pool that day?",
        ("1pm to 3pm", "3pm to 4pm", "6am to 9am"),
    )


def _alphabet(random: Random, depth: int) -> tuple[str, tuple[str, ...]]:
    words = random.sample(_PLAIN, min(depth + 2, len(_PLAIN)))
    return (
        f"{random.choice(['Put in alphabetical order', 'Sort from A to Z'])}: {' '.join(words)}",
        tuple(random.sample(words, 3)),
    )


def _syllogism(random: Random, depth: int) -> tuple[str, tuple[str, ...]]:
    kinds = random.sample(["poets", "owls", "clerks", "rivals", "singers", "pilots", "heirs",
                           "guests", "twins"], min(depth + 1, 9))  # fmt: skip
    facts = [
        random.choice(
            [
                "every one of the {} is one of the {}",
                "no {} are {}",
                "whoever is not among the {} is among the {}",
                "some {} are not {}",
                "being one of the {} is necessary for being one of the {}",
            ]
        ).format(one, other)
        for one, other in pairwise(kinds)
    ]
    return (
        f"We know that {', and that '.join(facts)}. It is concluded that some {kinds[0]} are "
        f"{kinds[-1]}. Does that follow?",
        ("It follows", "It does not follow"),
    )


def _coloured(random: Random, depth: int) -> tuple[str, tuple[str, ...]]:
    things = [f"a {random.choice(_COLOURS)} {g}" for g in random.sample(_GOODS, min(depth + 2, 9))]
    asked = random.choice(
        [
            "Without all {0} things, how many {1} ones remain?",
            "Which colour comes right after the {0} one?",
            "How many things are neither {0} nor {1}?",
            "Which is farthest away from the {0} one?",
        ]
    ).format(*random.sample(_COLOURS, 2))
    return f"From left to right you see {', '.join(things)}. {asked}", _COLOURS[:5]


def _table(random: Random, depth: int) -> tuple[str, tuple[str, ...]]:
    people = random.sample(_PEOPLE, min(depth + 1, 8))
    lines = "\n".join(
        f"{p}, {random.randint(4, 60)}, {random.randint(140, 200)}, {random.randint(30, 99)}"
        for p in people
    )
    asked = random.choice(
        [
            f"How many are older than {random.randint(5, 40)} and weigh less than 70 kg?",
            "Who comes last when they are ranked by height?",
            f"Who is taller than {people[0]} and lighter than {people[-1]}?",
            f"What is the total age of all who are shorter than {people[-1]}?",
        ]
    )
    return f"name, age, height, weight\n{lines}\n{asked}", (*people[:4],)


def _reach(random: Random, depth: int) -> tuple[str, tuple[str, ...]]:
    rooms = random.sample(["hall", "attic", "cellar", "study", "porch", "kitchen", "tower", "shed"],
                          min(depth + 1, 8))  # fmt: skip
    doors = [f"The {a} has a door to the {b}" for a, b in pairwise(rooms)]
    random.shuffle(doors)
    return (
        f"{'. '.join(doors)}. The {random.choice(rooms)} can be entered only once. Is there a way "
        f"from the {rooms[0]} to the {rooms[-1]}, and how many doors does it take?",
        ("2", "3", "4", "there is none"),
    )


_KINDS: tuple[Callable[[Random, int], tuple[str, tuple[str, ...]]], ...] = (
    _swaps, _row, _liars, _walk, _booleans, _arithmetic, _brackets, _dates, _counting, _gaps,
    _alphabet, _syllogism, _coloured, _table, _reach,
)  # fmt: skip
