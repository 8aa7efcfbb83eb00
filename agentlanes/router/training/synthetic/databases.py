"""Questions to a database, made from the query they stand for.

A query is drawn clause by clause and then put into words. It is easy when it needs at most one
clause beyond `SELECT ... FROM` and nothing else, hard when it nests, combines sets, or needs three
and more; what is in between is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from agentlanes.router.training.rows import Row

__all__ = ["databases"]


@dataclass(frozen=True, slots=True)
class _Table:
    one: str
    many: str
    texts: tuple[str, ...]
    numbers: tuple[str, ...]
    values: tuple[str, ...]
    owner: str  # the related table, "has many of these"
    owners: str
    verb: str  # "the owners that <verb> many"
    high: str
    low: str


_TABLES = (
    _Table("boat", "boats", ("name", "colour", "home port"), ("length", "weight", "age"),
           ("registered in Bergen", "painted white", "built after 1990"), "sailor", "sailors",
           "own", "longest", "shortest"),
    _Table("nurse", "nurses", ("name", "ward", "phone number"), ("salary", "age"),
           ("who work at night", "trained in Leeds", "hired before 2005"), "clinic", "clinics",
           "employ", "oldest", "youngest"),
    _Table("recipe", "recipes", ("title", "cuisine", "author"), ("rating", "cooking time"),
           ("without nuts", "from Peru", "published in 2012"), "cook", "cooks", "wrote",
           "highest rated", "least popular"),
    _Table("bridge", "bridges", ("name", "city", "material"), ("length", "height", "cost"),
           ("made of steel", "in Porto", "opened in 1931"), "engineer", "engineers", "designed",
           "longest", "shortest"),
    _Table("loan", "loans", ("type", "currency", "status"), ("amount", "interest rate"),
           ("of type mortgage", "approved in March", "in default"), "branch", "branches", "issued",
           "largest", "smallest"),
    _Table("painting", "paintings", ("title", "year", "style"), ("price", "width", "height"),
           ("painted in oil", "shown in Vienna", "finished before 1900"), "painter", "painters",
           "made", "most expensive", "cheapest"),
    _Table("match", "matches", ("date", "venue", "result"), ("attendance", "duration"),
           ("played in Lagos", "that ended in a draw", "in the 2015 season"), "referee",
           "referees", "led", "most attended", "shortest"),
    _Table("employee", "employees", ("first name", "last name", "job title"), ("salary", "age"),
           ("living in Ohio", "hired in 1998", "whose title is clerk"), "department",
           "departments", "have", "best paid", "youngest"),
    _Table("song", "songs", ("title", "genre", "language"), ("length", "number of plays"),
           ("in Portuguese", "released in 2009", "with a video"), "band", "bands", "recorded",
           "longest", "least played"),
    _Table("train", "trains", ("number", "destination", "operator"), ("speed", "delay"),
           ("leaving on Sunday", "to Graz", "run by Norrail"), "station", "stations", "serve",
           "fastest", "slowest"),
    _Table("course", "courses", ("title", "room", "code"), ("credits", "enrolment"),
           ("taught in spring", "in the physics faculty", "worth 4 credits"), "teacher",
           "teachers", "teach", "largest", "smallest"),
    _Table("customer", "customers", ("name", "address", "email address"), ("age", "balance"),
           ("from Texas", "with a gold card", "who joined in 2019"), "shop", "shops", "served",
           "richest", "youngest"),
    _Table("flight", "flights", ("number", "origin", "airline"), ("price", "distance"),
           ("to Cairo", "departing before noon", "operated by Skyways"), "airport", "airports",
           "handle", "cheapest", "longest"),
    _Table("pupil", "pupils", ("name", "home town", "class"), ("grade", "height", "age"),
           ("with an allergy", "from Delft", "born in 2004"), "club", "clubs", "accepted",
           "tallest", "youngest"),
    _Table("device", "devices", ("model", "maker", "serial number"), ("price", "weight"),
           ("with a camera", "made in Korea", "sold in 2016"), "warehouse", "warehouses", "hold",
           "heaviest", "newest"),
    _Table("river", "rivers", ("name", "source", "country"), ("length", "depth"),
           ("in Chile", "with a dam", "that cross a border"), "province", "provinces", "contain",
           "longest", "deepest"),
)  # fmt: skip

_ASK = ("What are", "List", "Show", "Find", "Give", "Return", "Give me", "Tell me", "Please show",
        "Can you list", "Show me", "Which are")  # fmt: skip


def databases(n: int, seed: int) -> list[Row]:
    """Make `n` questions, about half of them hard.

    Example:
        >>> rows = databases(40, seed=1)
        >>> len(rows), {row.target for row in rows} == {0.0, 1.0}
        (40, True)
    """
    random = Random(f"databases {seed}")
    rows: list[Row] = []
    while len(rows) < n:
        hard = len(rows) % 2
        kinds = _HARD if hard else _EASY
        drawn = [random.choice(kinds)(random, random.choice(_TABLES)) for _ in range(3)]
        if not hard and random.random() < 0.4:
            drawn = [_padded(random, text) for text in drawn]
        # Length alone should say little: hard questions are kept short, easy ones long.
        text = (min if hard else max)(drawn, key=len) if random.random() < 0.8 else drawn[0]
        if random.random() < 0.08:
            text = text.lower()
        if random.random() < 0.06:
            text = text.rstrip(".?")
        rows.append(Row(text=text, target=float(hard), source="made databases", kind="database"))
    return rows


def _padded(random: Random, text: str) -> str:
    said = text[0].lower() + text[1:]
    lead = random.choice(["I would like to know: ", "From the records we keep here, ", "Please, ",
                          "For the report of this week: ", "Using the database, ", ""])  # fmt: skip
    tail = random.choice(["", " that are recorded in the database", " in our system", " on file"])
    end = said[-1] if said[-1] in ".?" else ""
    made = f"{lead}{said.rstrip('.?')}{tail}{end}"
    return made[0].upper() + made[1:]


def _ending(head: str) -> str:
    return "?" if head.startswith(("What", "Which", "How", "Can", "Who")) else "."


def _columns(random: Random, table: _Table, at_most: int) -> str:
    pool = [*table.texts, *table.numbers]
    chosen = random.sample(pool, random.randint(1, min(at_most, len(pool))))
    if len(chosen) == 1:
        return f"the {chosen[0]}{random.choice(['', 's'])}"
    return "the " + ", ".join(chosen[:-1]) + f" and {chosen[-1]}"


def _threshold(random: Random, table: _Table) -> str:
    column = random.choice(table.numbers)
    than = random.choice(["above", "over", "more than", "less than", "below", "greater than",
                          "of at least", "at most"])  # fmt: skip
    return random.choice(
        ["with a {0} {1} {2}", "whose {0} is {1} {2}", "having {0} {1} {2}"]
    ).format(column, than, random.randint(2, 90) * 5)


def _condition(random: Random, table: _Table) -> str:
    return random.choice(table.values) if random.random() < 0.6 else _threshold(random, table)


def _two(random: Random, table: _Table) -> tuple[str, str]:
    one, other = random.sample([*table.values, _threshold(random, table)], 2)
    return one, other


# Easy: no clause, or one.


def _all_rows(random: Random, table: _Table) -> str:
    head = random.choice(_ASK)
    whom = random.choice([f"all {table.many}", f"the {table.many}", f"all the {table.many}",
                          f"every {table.one}", table.many])  # fmt: skip
    return f"{head} {_columns(random, table, 1)} of {whom}{_ending(head)}"


def _count_rows(random: Random, table: _Table) -> str:
    tail = "" if random.random() < 0.5 else " " + random.choice(table.values)
    return random.choice(
        [
            f"How many {table.many}{tail} are there?",
            f"Count the number of {table.many}{tail}.",
            f"What is the number of {table.many}{tail}?",
            f"What is the total number of {table.many}{tail}?",
            f"How many {table.many}{tail} do we have?",
            f"How many {table.many}{tail} are in the database?",
        ]
    )


def _one_condition(random: Random, table: _Table) -> str:
    head = random.choice(_ASK)
    where = _condition(random, table)
    return f"{head} {_columns(random, table, 1)} of {table.many} {where}{_ending(head)}"


def _aggregate(random: Random, table: _Table) -> str:
    what = random.choice(["average", "maximum", "minimum", "total", "highest", "mean", "lowest"])
    tail = "" if random.random() < 0.5 else " " + random.choice(table.values)
    column = random.choice(table.numbers)
    return random.choice(
        [
            f"What is the {what} {column} of {random.choice(['all ', 'the ', ''])}{table.many}{tail}?",
            f"Find the {what} {column} of {table.many}{tail}.",
            f"Give the {what} {column} across all {table.many}{tail}.",
        ]
    )


def _distinct(random: Random, table: _Table) -> str:
    column = random.choice(table.texts)
    return random.choice(
        [
            f"What are the different {column}s of {table.many}?",
            f"How many different {column}s are there?",
            f"Show all distinct {column}s of the {table.many}.",
            f"List the unique {column}s.",
        ]
    )


def _one_row(random: Random, table: _Table) -> str:
    column, other = random.sample(table.texts, 2)
    name = random.choice(["Alder", "Kim", "North Star", "Bellow", "42", "R-17", "Mara Quist"])
    return random.choice(
        [
            f'What is the {column} of the {table.one} with {other} "{name}"?',
            f"Find the {column} of the {table.one} named {name}.",
            f"What is {name}'s {column}?",
            f"Which {column} does {name} have?",
            f"When was {name} added?",
        ]
    )


def _sorted(random: Random, table: _Table) -> str:
    head = random.choice(_ASK)
    column = random.choice(table.numbers)
    how = random.choice(["sorted by {}", "ordered by {}", "in alphabetical order", "by {}"])
    return f"{head} the {table.texts[0]}s of {table.many} {how.format(column)}{_ending(head)}"


# Hard: nested, a set operation, or three clauses and more.


def _top_group(random: Random, table: _Table) -> str:
    most = random.choice(["most", "largest number of", "fewest", "greatest number of"])
    tail = "" if random.random() < 0.5 else f" {random.choice(table.values)}"
    columns = random.choice(["name", "name and id", "name and city", "id, name and address"])
    return random.choice(
        [
            f"Which {table.owner} {table.verb} the {most} {table.many}{tail}? Show the {columns}.",
            f"Find the {columns} of the {table.owner} with the {most} {table.many}{tail}.",
            f"What is the {columns} of the {table.owner} that {table.verb} the {most} {table.many}"
            f"{tail}?",
            f"For the {table.owner} with the {most} {table.many}{tail}, give the {columns}.",
        ]
    )


def _having(random: Random, table: _Table) -> str:
    n = random.choice(["two", "three", "5", "10", "4"])
    tail = "" if random.random() < 0.4 else f" {random.choice(table.values)}"
    extra = random.choice(["", f", together with the number of {table.many}",
                           f" and their average {random.choice(table.numbers)}"])  # fmt: skip
    return random.choice(
        [
            f"Show the names of {table.owners} that {table.verb} at least {n} {table.many}{tail}"
            f"{extra}.",
            f"What are the names{extra} of all {table.owners} with more than {n} {table.many}{tail}?",
            f"List the name and id of the {table.owners} who {table.verb} {n} or more {table.many}"
            f"{tail}{extra}.",
        ]
    )


def _except(random: Random, table: _Table) -> str:
    tail = "" if random.random() < 0.5 else f" {_condition(random, table)}"
    return random.choice(
        [
            f"Find the names of {table.owners} that do not {table.verb} any {table.many}{tail}.",
            f"Which {table.owners} have no {table.many}{tail}? Give their names.",
            f"How many {table.owners} never {table.verb} {table.many}{tail}?",
            f"List the {table.owners} without any {table.many}{tail}.",
            f"What are the ids and names of the {table.owners} who did not have {table.many}{tail}?",
        ]
    )


def _both(random: Random, table: _Table) -> str:
    one, other = _two(random, table)
    link = random.choice(
        ["{0} and also {1}", "{0} but not {1}", "both {0} and {1}", "either {0} or {1}"]
    ).format(f"{table.many} {one}", f"{table.many} {other}")
    return random.choice(
        [
            f"Which {table.owners} {table.verb} {link}?",
            f"Show the names of the {table.owners} that {table.verb} {link}.",
            f"Find the {table.owner} names shared by {table.many} {one} and {table.many} {other}.",
            f"What are the names of {table.owners} who {table.verb} {link}?",
        ]
    )


def _above_average(random: Random, table: _Table) -> str:
    column = random.choice(table.numbers)
    tail = "" if random.random() < 0.5 else f" {random.choice(table.values)}"
    head = random.choice(_ASK)
    return random.choice(
        [
            f"{head} {_columns(random, table, 2)} of {table.many} whose {column} is above the "
            f"average{tail}{_ending(head)}",
            f"Which {table.many} have a larger {column} than all {table.many}{tail}?",
            f"How many {table.many} have a {column} higher than the average {column} of {table.many}"
            f" {random.choice(table.values)}?",
            f"Find the {table.texts[0]} of the {table.many} with a {column} lower than any "
            f"{table.one} {random.choice(table.values)}.",
        ]
    )


def _per_group(random: Random, table: _Table) -> str:
    column = random.choice(table.numbers)
    by = random.choice(table.texts)
    one, other = _two(random, table)
    return random.choice(
        [
            f"For each {table.owner}, show the number of {table.many} {one} and their average "
            f"{column}, in descending order.",
            f"What are the average and maximum {column} of {table.many} {one} for each {by}?",
            f"Show each {table.owner} name and how many {table.many} {one} it has, sorted by the "
            f"count.",
            f"For every {by} with more than {random.randint(2, 9)} {table.many}, what is the total "
            f"{column} of those {one} or {other}?",
        ]
    )


def _many_conditions(random: Random, table: _Table) -> str:
    one, other = _two(random, table)
    head = random.choice(_ASK)
    column = random.choice(table.numbers)
    return (
        f"{head} {_columns(random, table, 3)} of the {table.many} {one} and {other} belonging to "
        f"the {table.owner} with the {random.choice(['highest', 'lowest', 'largest'])} "
        f"{random.choice(['budget', 'rating', 'id', column])}"
        f"{random.choice(['', f', ordered by {column}'])}{_ending(head)}"
    )


def _top_joined(random: Random, table: _Table) -> str:
    extreme = random.choice([table.high, table.low])
    tail = "" if random.random() < 0.5 else f" {random.choice(table.values)}"
    return random.choice(
        [
            f"What is the name of the {table.owner} of the {extreme} {table.one}{tail}?",
            f"Find the name and phone of the {table.owner} that {table.verb} the {extreme} "
            f"{table.one}{tail}.",
            f"Which {table.owner} {table.verb} the {extreme} {table.one}{tail}, and what is its "
            f"{random.choice(table.texts)}?",
        ]
    )


_EASY = (_all_rows, _count_rows, _one_condition, _aggregate, _distinct, _one_row, _sorted)
_HARD = (_top_group, _having, _except, _both, _above_average, _per_group, _many_conditions,
         _top_joined)  # fmt: skip
