"""The words of the fragment: one German word for each English word and use, most frequent first in each table.

Nouns have a *sort*. It tells the grammar what may sleep, be eaten, or be sat on:

    h human   a animal   o object   f food   s furniture, which stands   l what lies on the floor or a bed
    g a place one is *on*   p a place one is *in*

The tables are text so that a linguist can read and extend them; everything regular (English plurals, the German dative
plural, adjective endings, plural verb forms) is derived, everything irregular stands in the table.
"""

from lookback.corpus.fragment.morphology import Adjective, Case, Determiner, Gender, Noun, Particle, Verb

SORTS = "haofslgp"


def _rows(table: str) -> list[list[str]]:
    """The entries of a table as cells; entries are separated by line breaks or semicolons."""
    entries = table.replace(";", "\n").splitlines()
    return [[cell.strip() for cell in entry.split("|")] for entry in entries if entry.strip()]


def _english_plural(noun: str) -> str:
    if noun.endswith(("s", "x", "ch", "sh")):
        return noun + "es"
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + "s"


# English (/ irregular plural) | article German | plural (| accusative and dative singular, where weak)
_NOUNS = {
    "h": """
man/men | der Mann | Männer; woman/women | die Frau | Frauen; child/children | das Kind | Kinder;
girl | das Mädchen | Mädchen; boy | der Junge | Jungen | Jungen; teacher | der Lehrer | Lehrer;
mother | die Mutter | Mütter; father | der Vater | Väter; doctor | der Arzt | Ärzte;
friend | der Freund | Freunde; sister | die Schwester | Schwestern; brother | der Bruder | Brüder;
neighbour | der Nachbar | Nachbarn | Nachbarn; king | der König | Könige; queen | die Königin | Königinnen;
farmer | der Bauer | Bauern | Bauern; student | der Student | Studenten | Studenten; aunt | die Tante | Tanten;
uncle | der Onkel | Onkel; baby | das Baby | Babys; guest | der Gast | Gäste;
grandmother | die Großmutter | Großmütter; soldier | der Soldat | Soldaten | Soldaten;
thief/thieves | der Dieb | Diebe; baker | der Bäcker | Bäcker; nurse | die Krankenschwester | Krankenschwestern;
prince | der Prinz | Prinzen | Prinzen; princess | die Prinzessin | Prinzessinnen;
daughter | die Tochter | Töchter; son | der Sohn | Söhne; judge | der Richter | Richter;
painter | der Maler | Maler; hunter | der Jäger | Jäger; witch | die Hexe | Hexen;
policeman/policemen | der Polizist | Polizisten | Polizisten; gardener | der Gärtner | Gärtner;
waiter | der Kellner | Kellner; dancer | die Tänzerin | Tänzerinnen; lady | die Dame | Damen;
dwarf/dwarves | der Zwerg | Zwerge
""",
    "a": """
dog | der Hund | Hunde; cat | die Katze | Katzen; horse | das Pferd | Pferde; mouse/mice | die Maus | Mäuse;
bird | der Vogel | Vögel; cow | die Kuh | Kühe; pig | das Schwein | Schweine; wolf/wolves | der Wolf | Wölfe;
fox | der Fuchs | Füchse; bear | der Bär | Bären | Bären; rabbit | das Kaninchen | Kaninchen;
duck | die Ente | Enten; goat | die Ziege | Ziegen; lion | der Löwe | Löwen | Löwen;
monkey | der Affe | Affen | Affen; frog | der Frosch | Frösche; goose/geese | die Gans | Gänse;
donkey | der Esel | Esel; elephant | der Elefant | Elefanten | Elefanten; snake | die Schlange | Schlangen;
calf/calves | das Kalb | Kälber; squirrel | das Eichhörnchen | Eichhörnchen; camel | das Kamel | Kamele;
hedgehog | der Igel | Igel; rat | die Ratte | Ratten; lamb | das Lamm | Lämmer
""",
    "o": """
book | das Buch | Bücher; key | der Schlüssel | Schlüssel; letter | der Brief | Briefe; ball | der Ball | Bälle;
cup | die Tasse | Tassen; hat | der Hut | Hüte; picture | das Bild | Bilder; flower | die Blume | Blumen;
basket | der Korb | Körbe; lamp | die Lampe | Lampen; knife/knives | das Messer | Messer;
bottle | die Flasche | Flaschen; coat | der Mantel | Mäntel; shirt | das Hemd | Hemden; box | die Kiste | Kisten;
newspaper | die Zeitung | Zeitungen; plate | der Teller | Teller; ring | der Ring | Ringe;
doll | die Puppe | Puppen; stone | der Stein | Steine; dress | das Kleid | Kleider;
suitcase | der Koffer | Koffer; spoon | der Löffel | Löffel; fork | die Gabel | Gabeln;
umbrella | der Regenschirm | Regenschirme; candle | die Kerze | Kerzen; pot | der Topf | Töpfe;
shoe | der Schuh | Schuhe; mirror | der Spiegel | Spiegel; violin | die Geige | Geigen;
bicycle | das Fahrrad | Fahrräder; rope | das Seil | Seile; crown | die Krone | Kronen;
sword | das Schwert | Schwerter; pencil | der Bleistift | Bleistifte; coin | die Münze | Münzen
""",
    "f": """
apple | der Apfel | Äpfel; cake | der Kuchen | Kuchen; egg | das Ei | Eier; pear | die Birne | Birnen;
sausage | die Wurst | Würste; potato/potatoes | die Kartoffel | Kartoffeln;
tomato/tomatoes | die Tomate | Tomaten; loaf/loaves | das Brot | Brote; carrot | die Karotte | Karotten;
cherry | die Kirsche | Kirschen; nut | die Nuss | Nüsse; roll | das Brötchen | Brötchen;
biscuit | der Keks | Kekse; pumpkin | der Kürbis | Kürbisse
""",
    "s": """
table | der Tisch | Tische; chair | der Stuhl | Stühle; bed | das Bett | Betten;
bench | die Bank | Bänke; sofa | das Sofa | Sofas; desk | der Schreibtisch | Schreibtische;
armchair | der Sessel | Sessel; shelf/shelves | das Regal | Regale; cart | der Karren | Karren;
chest | die Truhe | Truhen; stove | der Ofen | Öfen; piano | das Klavier | Klaviere
""",
    "l": """
mat | die Matte | Matten; carpet | der Teppich | Teppiche; blanket | die Decke | Decken;
cushion | das Kissen | Kissen; board | das Brett | Bretter
""",
    "g": """
bridge | die Brücke | Brücken; hill | der Hügel | Hügel; roof | das Dach | Dächer; meadow | die Wiese | Wiesen;
wall | die Mauer | Mauern; ship | das Schiff | Schiffe; terrace | die Terrasse | Terrassen;
balcony | der Balkon | Balkone; rock | der Felsen | Felsen
""",
    "p": """
house | das Haus | Häuser; garden | der Garten | Gärten; kitchen | die Küche | Küchen;
room | das Zimmer | Zimmer; school | die Schule | Schulen; forest | der Wald | Wälder; town | die Stadt | Städte;
village | das Dorf | Dörfer; church | die Kirche | Kirchen; park | der Park | Parks;
castle | das Schloss | Schlösser; shop | der Laden | Läden; museum | das Museum | Museen;
hotel | das Hotel | Hotels; library | die Bibliothek | Bibliotheken; hospital | das Krankenhaus | Krankenhäuser;
cellar | der Keller | Keller; office | das Büro | Büros; cave | die Höhle | Höhlen; tower | der Turm | Türme;
barn | die Scheune | Scheunen; stable | der Stall | Ställe; tent | das Zelt | Zelte;
factory | die Fabrik | Fabriken; palace | der Palast | Paläste; hut | die Hütte | Hütten;
prison | das Gefängnis | Gefängnisse
""",
}

# English | German (/ stem) | sorts it may describe. The first table stands before the second: the small black dog.
_ADJECTIVES_OUTER = """
small | klein | haofslgp; big | groß | haofslgp; beautiful | schön | haofslgp; happy | glücklich | ha;
strange | seltsam | haofslgp; tired | müde/müd | ha; clever | klug | ha; heavy | schwer | osl; sad | traurig | ha;
dirty | schmutzig | haoslgp; friendly | freundlich | ha; hungry | hungrig | ha; quiet | ruhig | hagp;
brave | mutig | ha; clean | sauber | oslp; expensive | teuer/teur | ofslp; strong | stark | ha;
dark | dunkel/dunkl | p; poor | arm | h; fresh | frisch | f; lazy | faul | ha; famous | berühmt | hgp;
cheap | billig | ofsl; angry | wütend | ha; rich | reich | h; wet | nass | haoslg; broken | kaputt | s;
sweet | süß | f; empty | leer | sgp; cold | kalt | fgp; shy | schüchtern | ha; high | hoch/hoh | g;
thin | dünn | ha; ripe | reif | f; wild | wild | a; round | rund | sl
"""
_ADJECTIVES_INNER = """
old | alt | haoslgp; young | jung | ha; new | neu | oslgp; black | schwarz | aosl; white | weiß | aoslp;
red | rot | ofsl; brown | braun | aosl; green | grün | ofsl; grey | grau | aoslgp; blue | blau | osl;
yellow | gelb | ofsl
"""

# Past | progressive (- if none) | Präteritum, with the separable prefix behind it | subjects | objects or prepositions
_VERBS = {
    "intransitive": """
slept | sleeping | schlief | ha
laughed | laughing | lachte | h
woke up | waking up | wachte auf | ha
arrived | arriving | kam an | ha
sang | singing | sang | h
fell asleep | falling asleep | schlief ein | ha
danced | dancing | tanzte | h
disappeared | disappearing | verschwand | haof
ran away | running away | lief weg | ha
jumped | jumping | sprang | ha
waited | waiting | wartete | ha
got up | getting up | stand auf | ha
smiled | smiling | lächelte | h
came back | coming back | kam zurück | ha
burned | burning | brannte | oslp
fell over | falling over | fiel um | has
wept | weeping | weinte | h
trembled | trembling | zitterte | ha
fell down | falling down | fiel herunter | haof
shone | shining | glänzte | os
screamed | screaming | schrie | h
worked | working | arbeitete | h
swam | swimming | schwamm | ha
gave up | giving up | gab auf | h
stank | stinking | stank | af
dreamed | dreaming | träumte | h
went away | going away | ging weg | ha
""",
    "position": """
sat | sitting | saß | ha
lay | lying | lag | haoflgp
stood | standing | stand | hasp
slept | sleeping | schlief | ha
waited | waiting | wartete | ha
played | playing | spielte | ha
worked | working | arbeitete | h
danced | dancing | tanzte | h
disappeared | disappearing | verschwand | haof
knelt | kneeling | kniete | h
""",
    "company": """
spoke | speaking | sprach | h
played | playing | spielte | ha
danced | dancing | tanzte | h
talked | talking | redete | h
travelled | travelling | reiste | h
worked | working | arbeitete | h
argued | arguing | stritt | h
""",
    "motion": """
went | going | ging | ha | to into out-of through
ran | running | lief | ha | to into out-of through
came | coming | kam | ha | to into out-of
jumped | jumping | sprang | ha | onto into out-of
climbed | climbing | kletterte | ha | onto into out-of
crept | creeping | schlich | ha | to into out-of through
hurried | hurrying | eilte | h | to into out-of through
returned | returning | kehrte zurück | ha | to
fled | fleeing | floh | ha | into out-of
rode | riding | ritt | h | to into through
""",
    "transitive": """
saw | - | sah | ha | haofslgp
found | - | fand | ha | haofsl
looked at | looking at | sah an | ha | haofslgp
loved | - | liebte | h | haofgp
picked up | picking up | hob auf | h | of
bought | buying | kaufte | h | aofsl
phoned | phoning | rief an | h | h
heard | - | hörte | ha | ha
invited | inviting | lud ein | h | h
ate | eating | aß | ha | f
watched | watching | beobachtete | ha | hap
brought back | bringing back | brachte zurück | h | haof
visited | visiting | besuchte | h | hp
took along | taking along | nahm mit | h | haof
chased | chasing | jagte | ha | ha
carried | carrying | trug | h | aof
threw away | throwing away | warf weg | h | of
washed | washing | wusch | h | haofsl
hid | hiding | versteckte | h | aof
sold | selling | verkaufte | h | aofslp
drew | drawing | zeichnete | h | haofslgp
feared | - | fürchtete | ha | ha
stole | stealing | stahl | h | aof
left | leaving | verließ | ha | p
kissed | kissing | küsste | h | ha
lost | losing | verlor | h | o
admired | admiring | bewunderte | h | hogp
bit | biting | biss | a | ha
hugged | hugging | umarmte | h | ha
repaired | repairing | reparierte | h | s
fed | feeding | fütterte | h | a
ate up | eating up | aß auf | ha | f
locked up | locking up | sperrte ein | h | ha
hated | - | hasste | h | hap
caught | catching | fing | ha | a
smiled at | smiling at | lächelte an | h | ha
cleaned | cleaning | putzte | h | os
needed | - | brauchte | h | of
reached | reaching | erreichte | ha | gp
surprised | - | überraschte | haofslgp | ha
frightened | - | erschreckte | haos | ha
disturbed | disturbing | störte | haofslgp | ha
impressed | - | beeindruckte | hofslgp | h
laughed at | laughing at | lachte aus | h | h
""",
    "dative": """
helped | helping | half | h | ha
followed | following | folgte | ha | ha
thanked | thanking | dankte | h | h
listened to | listening to | hörte zu | h | h
trusted | - | vertraute | ha | h
belonged to | - | gehörte | aofslgp | h
pleased | - | gefiel | haofslgp | h
answered | answering | antwortete | h | h
escaped from | escaping from | entkam | ha | ha
obeyed | obeying | gehorchte | ha | h
forgave | - | verzieh | h | h
""",
    "two objects": """
gave | giving | gab | h | oaf
showed | showing | zeigte | h | oaslfp
brought | bringing | brachte | h | oaf
sent | sending | schickte | h | of
offered | offering | bot an | h | of
promised | promising | versprach | h | oa
lent | lending | lieh | h | oa
""",
    "say": """
said | saying | sagte | h
knew | - | wusste | h
believed | - | glaubte | h
thought | - | dachte | h
hoped | hoping | hoffte | h
noticed | noticing | bemerkte | h
claimed | claiming | behauptete | h
dreamed | dreaming | träumte | h
suspected | - | vermutete | h
""",
}

# The places where each sort can be: the prepositions that may follow it, and the sorts that they take.
FIGURES = {
    "h": "in:p on:slg next-to:hapsg behind:hasp in-front-of:hasp under:s",
    "a": "in:p on:slg under:sl next-to:hapsl behind:hasp in-front-of:hasp",
    "o": "on:slg in:p under:slof next-to:ofsl behind:os in-front-of:sp",
    "f": "on:sl in:p under:sl next-to:ofsl behind:os",
    "s": "in:p next-to:slha behind:sh in-front-of:shp on:g",
    "l": "on:sg in:p under:s next-to:slha behind:sh in-front-of:shp",
    "g": "next-to:p behind:p in-front-of:p",
    "p": "next-to:pg behind:pg in-front-of:pg on:g",
}
SCENES = "in:p on:g under:s behind:p in-front-of:p next-to:p"
"""Places that may open a sentence."""
COMPANIONS = {"h": "hao", "a": "ha"}
"""The sorts that may modify a noun after "with": the man with the dog."""
DIRECTIONS: dict[str, tuple[float, str]] = {
    "to": (4, "pshg"),
    "into": (4, "p"),
    "onto": (2.5, "slg"),
    "through": (2, "p"),
    "out-of": (2, "p"),
}
"""Prepositions of motion: their frequency, and the sorts that they take."""

_DETERMINERS = """
the | d | der | sg | 46
a | ein | ein | sg | 18
the | d | der | pl | 9
my | mein | ein | sg | 5
 |  | none | pl | 5
this | dies | der | sg | 4
every | jed | der | sg | 3
our | unser | ein | sg | 3
two | zwei | none | pl | 2
many | viel | none | pl | 2
my | mein | ein | pl | 1
these | dies | der | pl | 1
our | unser | ein | pl | 1
three | drei | none | pl | 1
"""

_FRONTED = """
yesterday | gestern; then | dann; today | heute; suddenly | plötzlich; often | oft; sometimes | manchmal;
finally | endlich; soon | bald; later | später; perhaps | vielleicht; one day | eines Tages;
in the evening | am Abend; unfortunately | leider; recently | neulich
"""
_MANNER = """
quietly | leise; slowly | langsam; quickly | schnell; secretly | heimlich; carefully | vorsichtig;
happily | fröhlich; patiently | geduldig; proudly | stolz
"""
_FREQUENCY = """
often | oft; always | immer; sometimes | manchmal; rarely | selten
"""
_DELIBERATE = "laughed sang danced waited smiled wept worked swam slept sat stood played knelt"


def _noun(row: list[str], sort: str) -> Noun:
    english, _, plural = row[0].partition("/")
    article, german = row[1].split()
    gender: Gender = {"der": "m", "die": "f", "das": "n"}[article]  # type: ignore[assignment]
    return Noun(english, plural or _english_plural(english), german, gender, row[2], [*row, german][3], sort)


def _adjectives(table: str) -> list[tuple[Adjective, str]]:
    found = []
    for english, german, sorts in _rows(table):
        full, _, stem = german.partition("/")
        found.append((Adjective(english, full, stem or full), sorts))
    return found


def _verb(row: list[str], case: Case) -> Verb:
    german, _, prefix = row[2].partition(" ")
    return Verb(row[0], "" if row[1] == "-" else row[1], german, prefix, case)


NOUNS: dict[str, list[Noun]] = {sort: [_noun(row, sort) for row in _rows(table)] for sort, table in _NOUNS.items()}
ADJECTIVES_OUTER = _adjectives(_ADJECTIVES_OUTER)
ADJECTIVES_INNER = _adjectives(_ADJECTIVES_INNER)
DELIBERATE = frozenset(_DELIBERATE.split())
"""Intransitive and position verbs that take an adverb of manner. Verbs with objects take one if they have a
progressive."""
VERBS: dict[str, list[tuple[Verb, str, str]]] = {
    frame: [(_verb(row, "dat" if frame == "dative" else "acc"), row[3], [*row, ""][4]) for row in _rows(table)]
    for frame, table in _VERBS.items()
}
"""For each frame: the verb, the sorts of its subjects, the sorts of its objects (for motion: its prepositions)."""
BE = Verb("was", "", "war", "", "acc")
DETERMINERS = [
    (float(weight), Determiner(english, german, kind, number == "pl"))  # type: ignore[arg-type]
    for english, german, kind, number, weight in _rows(_DETERMINERS)
]
PREPOSITIONS = {
    "in": Particle("in", "in"),
    "on": Particle("on", "auf"),
    "under": Particle("under", "unter"),
    "next-to": Particle("next to", "neben"),
    "behind": Particle("behind", "hinter"),
    "in-front-of": Particle("in front of", "vor"),
    "with": Particle("with", "mit"),
    "to": Particle("to", "zu"),
    "out-of": Particle("out of", "aus"),
    "into": Particle("into", "in", "acc"),
    "through": Particle("through", "durch", "acc"),
    "onto": Particle("onto", "auf", "acc"),
}
SUBORDINATORS = [
    (0.40, Particle("because", "weil")),
    (0.35, Particle("although", "obwohl")),
    (0.15, Particle("while", "während")),
    (0.10, Particle("before", "bevor")),
]
THAT_CLAUSE = Particle("that", "dass")
PARTICLES: dict[str, list] = {
    "fronted": [Particle(row[0], row[1]) for row in _rows(_FRONTED)],
    "manner": [Particle(row[0], row[1]) for row in _rows(_MANNER)],
    "frequency": [Particle(row[0], row[1]) for row in _rows(_FREQUENCY)],
    "be": [BE],
    "very": [Particle("very", "sehr")],
    "and": [Particle("and", "und")],
    "joint": [Particle("and", "und"), Particle("but", "aber")],
    "dass": [THAT_CLAUSE],
    # Relative pronouns: the head and the case give the German form; the head's sort gives who, whom or which.
    "that": [Particle("that", "d")],
    "which": [Particle("which", "d")],
    "which,": [Particle("which,", "d")],
}
