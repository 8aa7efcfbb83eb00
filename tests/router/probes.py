"""Requests written by hand for this project, in none of the generators' words: hard, then easy.

They are a check that what the gate learned from made requests holds on requests that no template
made. Nothing is trained on them, and no item is taken from a data set; penalties and word lists
were chosen with them in view.
"""

DATABASE_HARD = """\
Which zookeeper looks after the greatest number of reptiles?
Names of keepers who feed penguins but have never fed a seal.
List every zoo whose yearly income is below the mean income of zoos in the same country.
How many animals were never seen by a vet?
For each enclosure, what are the tallest and the average heights of the animals living there?
Which species occur in both the northern park and the harbour park?
Show the ticket office that sold more than 200 tickets in July, with its manager, busiest first.
What is the nickname of the oldest elephant among those moved here after 2011?
Give the id and surname of donors who gave at least twice and live outside Europe.
Find the cities where neither a zoo nor an aquarium is open on Mondays.
Who trained the dolphin that won the most prizes?
Which food costs less than any food eaten by the bears?""".splitlines()

DATABASE_EASY = """\
How many elephants are there?
List the names of all zookeepers.
What is the heaviest weight of any bear?
When did the harbour park open?
Show the species of each animal.
What is the phone number of the vet called Lindqvist?
Which animals weigh more than 300 kilograms?
Give me the opening hours of the aquarium in Trieste.
What are the names of the parks, in alphabetical order?
How many visitors came to the aviary on the first of May?
Please show me the list of all the donors that we have stored in our records so far.
What is the average age of the tortoises in the tropical house?""".splitlines()

PUZZLE_HARD = """\
Three cups stand over three coins: gold under the left one, silver in the middle, bronze on the \
right. The left and middle cups change places, then the middle and right ones. Where is the gold?
Quill is behind Reed in the queue. Sorrel is ahead of Reed but not first. Tansy is last. Who is \
second?
true or not ( false and true ) or false
(7 - 3 * (2 + 4)) * (5 - 9) + 6
Mo claims that Nell is lying. Nell claims that Oz is honest. Oz says Mo is lying. Is Oz honest?
Walk four paces north, turn right, walk two, turn right again and walk four. How many paces are \
you from where you set out?
Close the open brackets: < { ( [ ] )
Put in dictionary order: thistle thimble thorn theatre
On my desk lie two pencils, three rulers, a stapler and six clips. How many objects is that?
It was Tuesday the 3rd two weeks before the concert, which was then put off by five days. On which \
date is the concert?
No gardener is a dancer. Every plumber is a dancer. Does it follow that no plumber is a gardener?
Of the mugs on the shelf, from left to right blue, white, blue, red, grey, remove every blue one. \
What colour is now the one next to the red one?""".splitlines()

PUZZLE_EASY = """\
Someone who liked the novels Tidewater and The Clockmaker's Son will probably like which of these?
Is the speaker being ironic? "Lovely, it rained on the one day we had off."
Which of the two word orders sounds natural: 'a big old red barn' or 'a red old big barn'?
In "The plumber thanked the cellist because he was kind", whom does 'he' mean?
Could this have been in a sports report: "The goalkeeper hit a three-pointer"?
Which of these misspelt band names is meant as a joke?
Would most people say that the gardener broke the window on purpose? He had been told several \
times to keep the ball away from the house, and he did not want it to break, but he knew that it \
might, and he kicked it anyway in front of all of the neighbours.
What is the mistake in this translation? 'Der alte Turm steht am Markt.' - 'The new tower stands \
in the market.'
Does 'he kicked the bucket' mean that somebody has died?
What mood is this line in? "The streets were empty and the lamps had gone out."
Which famous composer was deaf in later life?
Which of these headlines comes from a humorous paper?""".splitlines()

CHAT_HARD = """\
Write a Rust function which reverses the words of a sentence in place.
My Python loop never ends, can you find the bug? while i < 10: print(i)
Implement a priority queue in Java with a binary heap and explain its complexity.
What is the sum of the angles of a polygon with 11 sides?
Solve 3x + 7 = 2(x - 4) for x.
I roll a die three times. What is the probability of at least one six?
If all bloops are razzies and some razzies are lazzies, are some bloops lazzies for certain?
A tank fills in 6 hours and leaks empty in 9. How long until it is full with the leak open?
Create an HTML page with a button that hides a paragraph when it is clicked.
Mia's mother has four children: April, May, June and who?
Given g(t) = 2t^2 + 3t, what is g(4) - g(1)?
Find the smallest integer that leaves remainder 2 when divided by 5 and by 7.""".splitlines()

CHAT_EASY = """\
Write a cheerful toast for my sister's wedding.
Compose a short ghost story set in a lighthouse.
Draft a polite letter asking the landlord to mend the heating.
You are a grumpy wizard. Greet me and tell me about your day.
What should I see in Lisbon in two days?
Discuss how the printing press changed Europe.
Help me come up with names for a bakery that only sells rye bread.
Describe the smell of a forest after rain in a poetic way.
What are the arguments for and against a four-day week?
Imagine you are a lighthouse keeper and write a page of your diary.
Rewrite my introduction so that it sounds warmer.
How do people in Iceland celebrate the summer?""".splitlines()

EXAM_HARD = """\
Which value of k makes the matrix with rows (1, k) and (k, 9) singular?|3|4|9|18
A 2 kg block slides down a 30 degree slope for 3 m. What is its speed at the end?|5.4|7.7|3.1|9.9
What is the order of the group of symmetries of a regular pentagon?|5|10|20|60
What is the pH of 0.01 M HCl after diluting it ten times?|1|2|3|4
The seller sent the goods a day late and the buyer refused them, although the contract said nothing\
 of time. If the seller sues for breach, will the court find for the seller?|Yes, if|No, because|\
Yes, unless|No, if
Statement 1: every cyclic group is abelian. Statement 2: every abelian group is cyclic.|True, True|\
True, False|False, True|False, False
An option has a strike of 50 and the stock trades at 46. What is its intrinsic value?|0|4|46|50
How many edges does a complete graph on 7 vertices have?|14|21|28|42""".splitlines()

EXAM_EASY = """\
Which organ pumps blood through the body?|heart|liver|lung|kidney
Who painted ceilings in the Vatican?|Michelangelo|Monet|Klee|Goya
Which of the following is a renewable source of energy?|wind|coal|oil|gas
The study of how people behave in groups is called|social psychology|geology|botany|optics
Which country was the first to give women the vote?|New Zealand|France|Japan|Chile
What do consumers call a product sold under the name of the shop?|own brand|bundle|lease|bond
Which vitamin does sunlight help the body to make?|D|A|K|C
Which religion follows the Five Pillars?|Islam|Shinto|Hinduism|Taoism""".splitlines()

SUM_HARD = """\
A ferry carries 40 cars at $12 each and twice as many passengers at $5 each, but one trip in five \
is half empty. What does it take in over ten trips?
Nora spends a third of her pay on rent and 20% of the rest on food. After putting $150 aside she \
has $490 left. How much is she paid?
A printer makes 30 pages a minute for two hours, jams for 15 minutes and then runs at half speed. \
How many minutes does it need for 5,000 pages?
Olaf is three times as old as Pia and 8 years younger than Quinn. In six years their ages sum to \
96. How old is Pia?""".splitlines()

SUM_EASY = """\
Nora has 14 plums and eats 5 of them. How many are left?
A ticket is $12. What do 6 tickets cost?
There are 30 chairs in 5 equal rows in the big hall next to the old library. How many stand in \
each row?
Olaf walked 4 miles on Monday and 7 on Tuesday. How far did he walk?""".splitlines()

AGENT = """\
Please move the three drafts in my outbox to the review folder and tell Ines.
Remind everyone who has not yet accepted the invitation for Friday.
Delete the calendar entries with Oskar for next week.
If the build failed, open an issue and assign it to whoever committed last.
Send Petra an email with the subject Lunch and the text See you at noon.
Change the delivery address of order 8813 and then cancel the gift wrapping.
Rename report.txt to final.txt, copy it into the archive and show me its last lines.
I would like to return the second lamp of my order and get the money back on my card.
Hand over all open tickets of the billing queue to Dana.
Schedule half an hour with Tariq at the first free slot tomorrow.
Buy 20 shares of Orbix and put the ticker on my watchlist.
Fill up the tank, lock all doors and start the engine.""".splitlines()


def exam(line: str) -> str:
    """Write an exam question with its options below."""
    asked, *answers = line.split("|")
    marked = [f"{mark}. {answer}" for mark, answer in zip("ABCD", answers, strict=True)]
    return "\n".join([asked, *marked])


PROBES = {
    "databases": (DATABASE_HARD, DATABASE_EASY),
    "puzzles": (PUZZLE_HARD, PUZZLE_EASY),
    "chats": (CHAT_HARD, CHAT_EASY),
    "exams": ([exam(line) for line in EXAM_HARD], [exam(line) for line in EXAM_EASY]),
    "sums": (SUM_HARD, SUM_EASY),
}
"""Kind of request to its hard and its easy probes."""
