"""Word problems in arithmetic, made operation by operation.

Each sentence adds a known number of operations, some add none. A problem with one or two
operations is easy, one with five and more is hard; what is in between is left out.
"""

from __future__ import annotations

from random import Random

from agentlanes.router.training.rows import Row

__all__ = ["sums"]

_WHO = ("Ada", "Bo", "Carla", "Dev", "Ema", "Farid", "Gus", "Hana", "Ivo", "June", "Kofi", "Lena",
        "Mr. Park", "Mrs. Olsen", "A farmer", "A baker", "The school", "A tailor")  # fmt: skip
_THINGS = ("shells", "stickers", "loaves", "tickets", "bricks", "lamps", "pears", "marbles", "pens",
           "chairs", "jars of jam", "seedlings", "postcards", "eggs", "bags of rice")  # fmt: skip
_IDLE = ("The weather is fine that day.", "A neighbour watches with interest.",
         "Everyone had been looking forward to it for weeks.", "The shop is near the old harbour.",
         "It is a family tradition.", "The walls have been painted green.",
         "There is music playing all the time.")  # fmt: skip

# A step's sentence and how many operations it adds.
_STEPS = (
    ("{who} gets {n} more {things}.", 1),
    ("{who} loses {n} of them.", 1),
    ("{who} gives {n} {things} to each of {m} friends.", 2),
    ("Then half of the rest are sold.", 1),
    ("The next day the number is twice as many as the day before.", 2),
    ("{p}% of them are broken and thrown away.", 2),
    ("Each of the {m} boxes holds {n} {things}, and every box costs ${d}.", 2),
    ("{other} has {n} fewer {things} than {who}.", 1),
    ("{other} has {m} times as many {things} as {who}.", 1),
    ("One third of the remaining {things} go to {other}.", 2),
    ("{who} works {m} hours a day for {n} days and is paid ${d} an hour.", 2),
    ("For every {m} {things}, the shop adds {d} free of charge.", 2),
    ("The price goes up by {p}% and then a discount of ${d} is given.", 3),
    ("After {m} weeks, {who} has saved ${n} each week.", 1),
    ("A quarter of what is left is shared equally among {m} children.", 3),
    ("It takes {n} minutes to make one, and {who} works for {m} hours.", 2),
    ("{other} needs {m} dozen {things} and already has {n}.", 2),
    ("The ratio of red ones to blue ones is {m}:{d}.", 2),
    ("In the second month {who} buys {n} less than {m} times that number.", 2),
)
_ASK = (
    "How many {things} does {who} have now?",
    "How many {things} are left?",
    "How much money does {who} have in the end?",
    "How many {things} do they have altogether?",
    "What is the total cost in dollars?",
    "How many more {things} does {other} need?",
    "How many hours does it take in total?",
    "What percentage of the {things} remain?",
)


def sums(n: int, seed: int) -> list[Row]:
    """Make `n` word problems, about half of them hard.

    Example:
        >>> sums(2, seed=1)[0].source
        'made sums'
    """
    random = Random(f"sums {seed}")
    rows: list[Row] = []
    while len(rows) < n:
        hard = len(rows) % 2
        drawn = [
            _problem(random, random.randint(5, 8) if hard else random.randint(1, 2))
            for _ in range(3)
        ]
        text, made = (min if hard else max)(drawn, key=lambda problem: len(problem[0]))
        rows.append(Row(text=text, target=float(made >= 5), source="made sums", kind="sums"))
    return rows


def _problem(random: Random, wanted: int) -> tuple[str, int]:
    who, other = random.sample(_WHO, 2)
    things = random.choice(_THINGS)

    def words(template: str) -> str:
        return template.format(
            who=who, other=other, things=things, n=random.randint(2, 95), m=random.randint(2, 12),
            d=random.randint(2, 30), p=random.choice([5, 10, 15, 20, 25, 30, 40, 60, 75]),
        )  # fmt: skip

    parts = [words(random.choice(["{who} has {n} {things}.", "{who} starts with {n} {things}.",
                                  "There are {n} {things} in the store of {who}.",
                                  "{who} buys {n} {things} for ${d}."]))]  # fmt: skip
    made = 0
    while made < wanted:
        template, operations = random.choice(_STEPS)
        if made + operations > wanted + (wanted > 4):
            continue
        parts.append(words(template))
        made += operations
        if len(parts) > 9:
            break
    for _ in range(random.choice([0, 0, 1, 1, 2, 3] if wanted < 3 else [0, 0, 0, 1])):
        parts.insert(random.randint(0, len(parts)), random.choice(_IDLE))
    parts.append(words(random.choice(_ASK)))
    return " ".join(parts), made
