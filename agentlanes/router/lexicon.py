"""The words the gate counts, by what they say about a request. Plain data, read at a glance.

A word ending in `*` stands for itself and its regular endings (-s, -es, -d, -ed, -ing, -r, -er).
The lists were written by hand from what kinds of question exist, not mined from a data set, so
that they mean the same on requests nobody has seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["LEXICON", "NOT_SUPERLATIVE", "PHRASES", "expand"]

LEXICON: Mapping[str, str] = MappingProxyType(
    {
        "negation": """not no never none neither nor without cannot except excluding isn't
            aren't doesn't don't didn't wasn't weren't won't can't couldn't hasn't
            haven't hadn't non unless false incorrect least-likely fail* lack*
            outside""",
        "comparison": """than greater larger bigger smaller fewer less higher lower older younger
            earlier later longer shorter taller faster slower above below exceed*
            between over under beyond heavier lighter cheaper within""",
        "superlative": """most least highest lowest maximum minimum max min top best worst first
            last""",
        "aggregate": """average averages mean total totals sum number numbers count counts
            amount percentage proportion median overall""",
        "grouping": "each every per respective respectively group* distinct different",
        "set": "both but also either or neither except common same together other others shared",
        "relative": "who whose whom which that where with have has had whichever",
        "ordering": """order ordered sorted sort sorting descending ascending alphabetical
            alphabetically decreasing increasing rank* lexicographic*
            lexicographical""",
        "preposition": "of in on for from at by to into among",
        "conjunction": "and",
        "condition": "if when unless suppose assum* provided given whenever otherwise else",
        "sequence": """then next after afterwards before finally first second third fourth
            fifth until once while subsequent* previous* later follow*""",
        "constraint": """must only cannot exactly constraint* restrict* subject require* satisf*
            allowed need needs conflict* depend* impossible possible""",
        "quantifier": "all any some none every everyone nobody someone no any anyone several",
        "logic": """premise* conclude* conclusion* argument* valid* invalid* imply implies
            implied therefore hence deduc* deductively infer* logical* logically
            true false truth lie lies lied lying liar* honest claim* truthful knight
            knave statement* follows necessar* sufficient contradict* if hypothes*
            boolean xor""",
        "tracking": """swap* trad* exchang* switch* turn* step* move* position* left right
            forward backward facing face return* start* end* initial* final* began
            begin* currently rotat* place* between arrang* row line seat* stack*
            holding puts put takes took ball* box* door* clockwise""",
        "arithmetic": """half twice double triple quarter thirds fifth times percent remain* left
            altogether rest ratio discount* interest profit* cost* price* paid pay*
            spend* spent earn* save* sold sell* buy* bought divid* multipl* split*
            equally share* fraction* remainder plus minus increas* decreas* tax
            dozen""",
        "rate": """hour* minute* second* day* week* month* year* mile* kilometer* meter*
            feet foot inch* pound* gallon* liter* dollar* cent cents speed rate per
            daily weekly monthly yearly annually""",
        "maths": """integer* equation* polynomial* triangle* probability matrix matrices
            vector* derivative* integral* prime* divisor* divisible modulo mod
            remainder sequence* series function* real complex root* quadratic linear
            cubic angle* circle* radius diameter perpendicular parallel square*
            theorem lemma converge* diverg* limit* logarithm* log sin cos tan
            factor* coefficient* variable* solve* simplif* evaluat* comput*
            permutation* combination* arrangement* graph* vertices edge* subset*
            group* ring* field* isomorph* abelian cyclic homomorph* eigenvalue*
            differential geometric arithmetic polygon* rectangle* hexagon* expected
            variance distribution inequality digits digit""",
        "science": """velocity acceleration force mass energy momentum voltage current resist*
            capacit* electron* proton* photon* wavelength frequenc* pressure
            temperature entropy enthalpy equilibrium molar mole moles acid base ph
            oxid* reaction* solution concentrat* heat thermal magnetic electric
            field gas ideal density viscos* torque orbit* nuclear atom* atomic
            molecul* ion ions bond* orbital* stress strain load* beam* fluid* flow*
            circuit* kg joule* watt* newton* volt* ohm* hz nm""",
        "finance": """elasticit* marginal equilibrium inflation gdp monetary fiscal demand
            supply utility interest bond* stock* equity asset* liabilit*
            depreciation dividend* revenue* cash ledger audit* tax* income inventory
            receivable* regression heteroscedasticity estimator* coefficient*
            autocorrelation""",
        "law": """court* plaintiff* defendant* statute* contract* liable liability tort*
            negligen* crime criminal murder larceny robbery burglary constitutional
            constitution jurisdiction testimony evidence hearsay jury trial convict*
            attorney lawyer* landlord* tenant* deed conveyed easement* owner* sued
            sue sues suit offer acceptance consideration breach* damages police
            arrest* warrant motion* admissible""",
        "moral": """moral* wrong ethic* ordinary standards ought clearly duty utilitarian*
            kant virtue permissib* blame* intentional*""",
        "life": """cell* gene genes genetic* allele* protein* dna rna enzyme* species
            evolution* tissue* muscle* nerve* patient* disease* symptom* treatment*
            drug* dose* clinical blood heart brain hormone* infection* virus*
            bacteria* chromosome* organism* mutation*""",
        "society": """war century president government* policy political state states party
            election* treaty colonial empire revolution* culture* social religio*
            god church population* theory movement* author* philosoph* history
            historical psychologist* behavior* learning memory personality child*
            development* attitude*""",
        "computing": """algorithm* complexity runtime memory cache processor pipeline binary
            stack queue heap tree node* pointer* array* string* recursion recursive
            recursively loop* thread* lock* protocol packet* encryption compiler*
            grammar automaton regex hash* neural gradient* kernel overfitting""",
        "coding": """code python java javascript c++ program* function* implement* class
            method* script* html css sql api* debug* bug* compile* refactor* library
            module snippet iterat* input output returns def print regex file*
            variable* parameter* sorted list dictionary o(n) webpage website""",
        "writing": """write compos* essay* story stories poem* blog* email* letter* draft*
            narrative describ* paragraph* headline* outline* script* novel*
            character* tone style engaging creative persuasive captivating vivid
            speech review* haiku slogan* humor* funny""",
        "roleplay": """imagine pretend act role persona embody yourself roleplay interview*
            you're audience character conversation respond answers""",
        "opinion": """discuss explain* opinion* think believe feel* advice tips suggest*
            recommend* benefits pros cons impact* effects significance importance
            insights perspective* examples example provide compare* contrast*
            differ* difference* analyz* elaborate key main factors history culture*
            ways strategies""",
        "wordcraft": """sarcastic sarcasm sentence* humorous edit* pun name* movie* film*
            similar plausible pronoun* antecedent ambiguous adjective* grammar*
            phrase* translation translat* synonym* antonym* word* meaning spelling
            idiom* proverb* title* band artist* sport* player* team* joke* cause*
            caused causal typical person""",
        "extract": """extract* identif* json csv format* passage text following table classify
            categor* label* sentiment summariz* summary list convert* parse* review*
            entities named""",
        "puzzle": """puzzle* riddle* clue* guess* brother* sister* father mother son daughter
            overtake* race finish* weigh* coin* scale bridge switch* prisoner* hat*
            color* red blue green yellow taller shorter older younger leftmost
            rightmost newest oldest object*""",
        "calendar": """date yesterday today tomorrow ago monday tuesday wednesday thursday
            friday saturday sunday january february march april june july august
            september october november december anniversary mm/dd/yyyy leap am pm
            noon o'clock""",
        "planning": """plan* schedul* goal* initial action* state* precondition* itinerary
            resource* task* budget assign* shift* deadline* optimal feasible
            allocate* rout* visit* deliver* package* truck* airplane* block*
            constraint*""",
        "optimum": """optimal best maxim* minim* smallest largest greatest cheapest shortest
            fewest fastest earliest least most""",
        "proof": """prove* proof* theorem lemma corollary induction counterexample
            satisfiab* tautolog* axiom* qed disprove* formally verif* invariant*""",
        "personal": "i i'm i'd i've i'll me my mine you your please thanks thank hi hello hey we",
        "ask": "what what's when where who how why is are can could do does will would",
        "list": "list show find give return display name names get tell count id ids",
        "device": """alarm timer song music play volume light lights weather call text
            reminder balance card bank account translate recipe restaurant
            reservation table flight hotel uber directions traffic shopping meal
            calories oil tire tires gas pin bill insurance vacation payday w2
            battery phone""",
        "workmove": """send* delet* reassign* creat* forward* repl* cancel* updat* add remov*
            mov* book* post* upload* download* transfer* renam* copy copi* schedul*
            assign* plot* notify open clos* edit* modif* chang* set invit* fil*
            submit* purchas* refund* exchang* return* retriev* check* activat* fill*
            lock* tweet* mkdir buy*""",
        "workthing": """email* inbox calendar meeting* event* backlog crm lead* customer* task*
            board file* directory folder* document* ticket* order* reservation*
            account* user* message* booking* flight* hotel* watchlist stock*
            contact* playlist* engine fuel tank repositor* repo branch* issue* pull
            item* cart payment* credit card address* profile* website visit*
            analytics team project* spreadsheet* report* channel* slack tweet* id
            delivery""",
    }
)
"""Words by what they say. A word may stand in several lists."""

PHRASES: Mapping[str, str] = MappingProxyType(
    {
        "how many": "how many|how much|number of",
        "at least": "at least|at most|more than|less than|fewer than|such that",
        "superlative": "most number|highest number|most common|least number|greatest number",
        "set": "but not|as well as|but also|along with|in common|do not|does not|did not|for each",
        "nested": "than the|of all|the average|than average|any other|all other|than any|same as",
        "constraint": "as long as|in order to|is it possible|no two|one of the",
        "steps": "step by step|in total|each of|the rest|as many|as much|twice as|times as",
        "statements": "statement 1|statement 2|scenario 1|scenario 2|i and ii|ii only|ii and iii"
        "|i only|i. |ii. |all of the above|none of the above",
        "recall": "which of the following|is called|is known as|refers to|is defined as|what is the"
        "|according to|best describes|is an example|in what|in which",
        "follows": "does it follow|it follow|does that follow|which one|where is|for certain",
    }
)
"""Phrases by what they say, parted by `|`: counted in the lowered text."""

NOT_SUPERLATIVE = frozenset(
    # A string that is split reads easier than that many quotes.
    "interest test forest request guest contest invest suggest harvest protest honest modest "  # noqa: SIM905
    "latest digest arrest chest quest west east rest manifest nest pest vest rainforest "
    "tempest budapest everest requests northwest southwest midwest conquest crest zest "
    "earnest behest ingest attest detest bequest".split()
)
"""Words in -est that compare nothing."""

_ENDINGS = ("", "s", "es", "d", "ed", "ing", "r", "er", "ers")


def expand() -> dict[str, tuple[int, ...]]:
    """Give each word the numbers of the lists it is in, counted in `LEXICON`'s order.

    Example:
        >>> names = list(LEXICON)
        >>> [names[i] for i in expand()["whose"]]
        ['relative']
    """
    found: dict[str, list[int]] = {}
    for number, words in enumerate(LEXICON.values()):
        for word in words.split():
            forms = (word,) if not word.endswith("*") else _forms(word[:-1])
            for form in forms:
                found.setdefault(form, []).append(number)
    return {word: tuple(dict.fromkeys(numbers)) for word, numbers in found.items()}


def _forms(stem: str) -> tuple[str, ...]:
    forms = [stem + ending for ending in _ENDINGS]
    if stem.endswith("e"):
        forms += [stem[:-1] + "ing", stem[:-1] + "ion"]
    if stem.endswith("y"):
        forms += [stem[:-1] + "ies", stem[:-1] + "ied"]
    return (*forms, stem + "e", stem + "y", stem + "ion", stem + "al", stem + "ally")
