"""What people ask an assistant: to write, advise and play a part (easy), to program and to solve.

Whether a person would see the difference between a small and a large model's reply decides: in
prose hardly, in code, mathematics and riddles at once. Explaining and extracting are in between.
Requests to an agent have no target that their words give away; they are made with 0.5.
"""

from __future__ import annotations

from random import Random

from agentlanes.router.training.rows import Row

__all__ = ["chats"]

_THEMES = ("a trip to the coast", "rising rents", "a lost umbrella", "remote work", "old maps",
           "city gardens", "learning the cello", "a village school", "night trains", "coffee",
           "the first winter in a new country", "artificial intelligence", "honest mistakes",
           "public libraries", "a broken lift")  # fmt: skip
_READERS = ("a friend", "the whole company", "children", "a local newspaper", "your manager",
            "new customers", "an online magazine", "my neighbours")  # fmt: skip
_STRUCTURES = ("a linked list", "an array of integers", "a string", "a binary tree", "a matrix",
               "a graph with weighted edges", "two sorted lists", "a log file", "a CSV file")  # fmt: skip
_LANGUAGES = ("Python", "C++", "Java", "JavaScript", "Rust", "Go", "SQL")

_EASY = (
    "Write a {tone} {form} about {theme} for {reader}.",
    "Compose {form2} on {theme}.",
    "Paint {theme} in words for {reader}.",
    "Draft an email to {reader} about {theme}. Keep it short and {tone}.",
    "Imagine you are a {person}. How would you talk to {reader} about {theme}?",
    "Pretend to be a {person} and answer my questions about {theme} in character.",
    "Act as a {person}: give me advice on {theme}.",
    "Be my {person} for a while. What do you make of {theme}?",
    "Please rewrite this paragraph about {theme} in a {tone} style.",
    "I need catchy titles for a piece about {theme}.",
    "What are the main pros and cons of {theme}? Give examples.",
    "Discuss the impact of {theme} on culture and society, with historical examples.",
    "Explain {theme} to {reader} in simple words.",
    "Can you recommend ways to enjoy {theme}?",
    "How did {theme} change over the last century, and why does it matter?",
    "Compare two views of {theme} and say which one you find more convincing.",
    "Say that again as if you were talking to a toddler.",
    "I liked that. Could the ending be more {tone}?",
)
_HARD = (
    "Write a {lang} function that finds the longest {thing} in {data} in O(n) time.",
    "Implement {algorithm} in {lang} for {data}.",
    "Write a program in {lang} that reads {data} and prints the {n} most frequent values.",
    "What is wrong with this code? It should return the {thing} of {data} but loops for ever.",
    "Given {data}, design an algorithm to count the {thing}s and state its complexity.",
    "Write a {lang} script that parses {data} and removes duplicates, and add tests.",
    "Can you make this faster, using recursion or dynamic programming? The input is {data}.",
    "Solve {a}x + {b} = {c} - {n}x and check the answer.",
    "For which values of k does x^2 + kx + {a} = 0 have two different real roots?",
    "What is the derivative of {a}x^{n} + {b}x at x = {c}?",
    "A circle has the same area as a square with side {a}. How long is its radius?",
    "A coin is tossed {n} times. What is the probability of exactly two heads?",
    "In how many ways can {n} guests sit at a round table if two of them must not be neighbours?",
    "What is the last digit of {a}^{b}? Show how you get there.",
    "Two pumps fill a pool in {a} and {b} hours. How long do they take together?",
    "A ticket costs ${a}, but {b}% less for members. What do {n} members and {c} others pay?",
    "Everyone in the choir is older than Ann except Ben. Cid joined before Ben. Who is youngest?",
    "Lea's cousin is the only child of my uncle's sister. How am I related to Lea? Think it through.",
    "Four switches, one lamp, and you may go upstairs once. How do you find the right switch?",
    "Only one of the three boxes is labelled correctly. Which one holds the key, and why?",
    "Is this argument sound? All rivers flow. Time flows. So time is a river.",
    "What comes next: {a}, {b}, {c}? State the rule.",
    "How many squares of any size are on a {n} by {n} board?",
)
_BETWEEN = (
    "Explain how {science} works and what would follow if it were twice as strong.",
    "Extract every person and place from the text below and return them as JSON.",
    "Read the passage and answer: who, when, and what happened next? Give the answers as a list.",
    "Pull all prices out of this text and put them into a CSV table with one row a product.",
    "What is {science}? Give an example from everyday life and the equation behind it.",
)
_AGENT = (
    "Move all {item} of {name} to the {place} and let {name2} know.",
    "If {name} has not answered my last email, send a reminder and put a task on the board.",
    "Cancel the meeting with {name} on Thursday and book it again for the next free slot.",
    "Delete every {item} older than {n} days in the {place}.",
    "Reassign the overdue {item} from {name} to {name2}.",
    "Create a file called notes.txt in the {place}, then copy {name}'s {item} into it.",
    "I need to change my order {n}: please send the {item} to another address and refund the rest.",
    "Check whether the number of visits fell last week and, if so, post a message to {name}.",
    "Forward the most recent email from {name} to {name2} and update the customer's status.",
    "Could you retrieve my account's last {n} orders and open a ticket about the {item}?",
)
_PICKS: dict[str, tuple[str, ...]] = {
    "theme": _THEMES, "reader": _READERS, "lang": _LANGUAGES, "data": _STRUCTURES,
    "tone": ("friendly", "formal", "playful", "persuasive", "gentle", "vivid"),
    "form": ("blog post", "short story", "letter", "poem", "speech", "product review"),
    "form2": ("a poem", "a short tale", "an essay", "a scene", "a limerick"),
    "person": ("ship's captain", "detective", "physics teacher", "gardener", "time traveller",
               "famous singer", "career coach", "doctor"),
    "thing": ("common prefix", "palindrome", "increasing run", "cycle", "path", "duplicate"),
    "algorithm": ("quicksort", "a breadth-first search", "an LRU cache", "a regex matcher",
                  "the shortest path", "a queue with two stacks", "binary search"),
    "science": ("a magnet", "photosynthesis", "radar", "inflation", "a vaccine", "the tide",
                "a transistor", "plate tectonics"),
    "item": ("emails", "tickets", "files", "leads", "tasks", "orders", "events", "invoices"),
    "place": ("archive folder", "backlog", "shared calendar", "crm", "reports directory"),
    "name": ("Akira", "Nadia", "Santiago", "Chenwei"), "name2": ("Lena", "Raj", "Yuki"),
}  # fmt: skip


def chats(n: int, seed: int) -> list[Row]:
    """Make `n` requests: two in six easy, two hard, one in between and one for an agent.

    Example:
        >>> sorted({row.source for row in chats(6, seed=1)})
        ['made agent requests', 'made chats']
    """
    random = Random(f"chats {seed}")
    kinds = ((_EASY, 0.0), (_HARD, 1.0), (_EASY, 0.0), (_BETWEEN, 0.4), (_HARD, 1.0), (_AGENT, 0.5))
    rows = []
    for i in range(n):
        templates, target = kinds[i % len(kinds)]
        picked = {name: random.choice(values) for name, values in _PICKS.items()}
        numbers = {name: random.randint(2, 60) for name in "abc"} | {"n": random.randint(2, 9)}
        text = random.choice(templates).format(**picked, **numbers)
        source = "made agent requests" if templates is _AGENT else "made chats"
        kind = "agent" if templates is _AGENT else "chat"
        rows.append(Row(text=text, target=target, source=source, kind=kind))
    return rows
