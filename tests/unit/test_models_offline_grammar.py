"""What the offline planner understands: phrasings, and the actions they stand for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshwright.models.offline.grammar import parse
from meshwright.models.offline.plan import (
    Action,
    Ask,
    Click,
    Compare,
    Follow,
    GoBack,
    Grep,
    ListFiles,
    Open,
    ReadFile,
    Screenshot,
    SearchFiles,
    Select,
    Type,
    Unclear,
    WriteFile,
)

DEMO = "http://localhost:8080/demo/"
A, B = "http://a.test/x", "https://b.test/y?q=1,2&r=(3)"


def outline(text: str, page_url: str = "") -> list[object]:
    """The actions of a task; questions as their kind and topics."""
    return [brief(step.action) for step in parse(text, DEMO, page_url)]


def brief(action: Action) -> object:
    if isinstance(action, Ask):
        topics = action.question.topics if action.question.kind in ("price", "cheapest", "dearest") else ()
        return (action.question.kind, *topics)
    if isinstance(action, WriteFile) and action.question is not None:
        return f"write {action.path}: {action.question.text}"
    return action


OPENING: list[tuple[str, list[object]]] = [
    (f"open {A}", [Open(A)]),
    (f"Please open {A}.", [Open(A)]),
    (f"Could you go to {A}?", [Open(A)]),
    (f"visit {A} and {B}", [Open(A), Open(B)]),
    (f"Navigate to {A}, then to nowhere", [Open(A), Unclear("to nowhere")]),
    (f"{A}", [Open(A)]),
    (f'open "{A}"', [Open(A)]),
    ("open example.com", [Open("https://example.com")]),
    ("open localhost:9000/x and 127.0.0.1:8000", [Open("http://localhost:9000/x"), Open("http://127.0.0.1:8000")]),
    ("go to www.foo.org/bar", [Open("https://www.foo.org/bar")]),
    ("open file:///etc/passwd", [Open("file:///etc/passwd")]),
    ("open the demo shop", [Open(DEMO)]),
    ("visit the demo store's login page", [Open(DEMO), Follow("login")]),
    (f"open {A} and go to the help page", [Open(A), Follow("help")]),
    (f"open {A}?x=then+read+b.txt", [Open(f"{A}?x=then+read+b.txt")]),
]
FILES: list[tuple[str, list[object]]] = [
    ("read notes.txt", [ReadFile("notes.txt")]),
    ("open notes.txt", [ReadFile("notes.txt")]),
    ("read a.txt, b.txt and docs/c.md", [ReadFile("a.txt"), ReadFile("b.txt"), ReadFile("docs/c.md")]),
    ('read the file "my notes.txt"', [ReadFile("my notes.txt")]),
    ("cat README.md", [ReadFile("README.md")]),
    ("read ../../etc/passwd", [ReadFile("../../etc/passwd")]),
    ("read /etc/passwd", [ReadFile("/etc/passwd")]),
    ("list the files", [ListFiles("")]),
    ("List the files in docs/", [ListFiles("docs/")]),
    ("what files are in the workspace?", [ListFiles("")]),
    ("ls", [ListFiles("")]),
    ("search for refund policy in the documents", [SearchFiles("refund policy")]),
    ('search my files for "annual report"', [SearchFiles("annual report")]),
    ("search for refunds", [SearchFiles("refunds")]),
    ("grep TODO in notes.md", [Grep("TODO", "notes.md")]),
    ("search notes.md for lamp", [Grep("lamp", "notes.md")]),
    ("write hello to out.txt", [WriteFile("out.txt", "hello")]),
    ('save "a, b and read c.txt" as out.txt', [WriteFile("out.txt", "a, b and read c.txt")]),
    ("create a file todo.md with the text “buy milk”", [WriteFile("todo.md", "buy milk")]),
    (f"open {A} and save the result to r.txt", [Open(A), WriteFile("r.txt")]),
    ("summarise notes.txt", [ReadFile("notes.txt"), ("summary",)]),
    ("What do my documents say about refunds?", [SearchFiles("refunds"), ("general",)]),
    ("what does notes.txt say about lamps?", [ReadFile("notes.txt"), ("general",)]),
]
ASKING: list[tuple[str, list[object]]] = [
    (f"Open {DEMO} and tell me what the desk lamp costs", [Open(DEMO), ("price", "desk lamp")]),
    (f"open {DEMO}, then tell me the price of the desk lamp", [Open(DEMO), ("price", "desk lamp")]),
    (f"tell me the price of the desk lamp on {DEMO}", [Open(DEMO), ("price", "desk lamp")]),
    ("How much is the desk lamp in the demo shop?", [Open(DEMO), ("price", "desk lamp")]),
    ("What does the desk lamp cost?", [Open(DEMO), ("price", "desk lamp")]),
    ("show me the price of the desk lamp", [Open(DEMO), ("price", "desk lamp")]),
    ("desk lamp price", [Open(DEMO), ("price", "desk lamp")]),
    ("find the prices of the lamp and the chair", [Open(DEMO), ("price", "lamp", "chair")]),
    (f"open {A} and tell me what it costs", [Open(A), ("price",)]),
    ("what's the cheapest product in the demo shop?", [Open(DEMO), ("cheapest",)]),
    ("Using the browser, open the demo shop and find the cheapest lamp please", [Open(DEMO), ("cheapest", "lamp")]),
    ("Tell me the price of the lamp and the desk, and which one is cheaper", [Open(DEMO), ("price", "lamp", "desk")]),
    ("How much would a lamp and a desk cost together?", [Open(DEMO), ("price", "lamp", "desk")]),
    ("open the demo shop, find the desk lamp and tell me its price", [Open(DEMO), ("general",), ("price",)]),
    (f"open {A} and find out which product has the longest warranty", [Open(A), ("general",)]),
    ("What is in stock in the demo shop?", [Open(DEMO), ("general",)]),
    ("which desk is the most expensive in the shop?", [Open(DEMO), ("dearest", "desk")]),
    ("In the demo shop, how long can I return things?", [Open(DEMO), ("general",)]),
    (f"open {A}. Then tell me the title of the page.", [Open(A), ("title",)]),
    (f"open {A} and list all products", [Open(A), ("listing",)]),
    (f"open {A} and list the links", [Open(A), ("links",)]),
    (f"summarize {A}", [Open(A), ("summary",)]),
    (f"open {A}. What does the page say?", [Open(A), ("summary",)]),
    (f"open {A} and tell me how many are left and who made it", [Open(A), ("general",), ("general",)]),
    ("Compare the prices of the lamp and the desk in the demo shop", [Open(DEMO), Compare(("lamp", "desk"))]),
    ("compare the desk lamp, the chair and the shelf", [Open(DEMO), Compare(("desk lamp", "chair", "shelf"))]),
    ("Which is cheaper, the lamp or the desk?", [Open(DEMO), Compare(("lamp", "desk"))]),
    (f"compare {A} and {B}", [Open(A), Open(B), Compare(())]),
    (f"open {A} and {B} and tell me which is cheaper", [Open(A), Open(B), Compare(())]),
    (f"open {A} and write the price of the lamp to p.txt", [Open(A), "write p.txt: the price of the lamp"]),
]
ACTING: list[tuple[str, list[object]]] = [
    ('click on the "Add to cart" button', [Click("Add to cart")]),
    ("press the Sign in button", [Click("Sign in")]),
    ("follow the link More information", [Click("More information")]),
    ("type demo into the User name field", [Type("demo", "User name")]),
    ("type demo into User name and demo into Password", [Type("demo", "User name"), Type("demo", "Password")]),
    ("enter 'Ada Lovelace' in Name and submit", [Type("Ada Lovelace", "Name", submit=True)]),
    ("fill the name field with Ada and press enter", [Type("Ada", "name", submit=True)]),
    ("choose Desk lamp in the Product list", [Select("Desk lamp", "Product")]),
    ("go back", [GoBack()]),
    ("search the demo shop for desk", [Open(DEMO), Type("desk", "search", submit=True)]),
    (f"open {A} and search for desk", [Open(A), Type("desk", "search", submit=True)]),
    ("add the desk lamp to the cart", [Open(DEMO), Follow("desk lamp"), Click("add to cart")]),
    ("take a screenshot", [Screenshot()]),
    (f"take a screenshot of {A}", [Open(A), Screenshot()]),
    (
        "log in to the demo shop as demo with password demo",
        [Open(DEMO), Follow("sign in", "password"), Type("demo", "user name"), Type("demo", "password", submit=True)],
    ),
]
SEVERAL: list[tuple[str, list[object]]] = [
    (f"open {A} and {B}, read a.txt and b.txt", [Open(A), Open(B), ReadFile("a.txt"), ReadFile("b.txt")]),
    (f"1. open {A}\n2. read a.txt\n3) tell me what it costs", [Open(A), ReadFile("a.txt"), ("price",)]),
    (f"- open {A}\n- read a.txt", [Open(A), ReadFile("a.txt")]),
    (f"open {A}; read a.txt", [Open(A), ReadFile("a.txt")]),
    (f"First open {A}, and finally read a.txt", [Open(A), ReadFile("a.txt")]),
]
OTHER: list[tuple[str, list[object]]] = [
    ("Tell me a joke", [Unclear("Tell me a joke")]),
    ("What is the capital of France?", [Unclear("What is the capital of France")]),
    ("asdf", [Unclear("asdf")]),
    ("hello", []),
    ("", []),
]


@pytest.mark.parametrize(("text", "expected"), OPENING + FILES + ASKING + ACTING + SEVERAL, ids=lambda v: str(v)[:70])
def test_a_phrasing_stands_for_its_actions(text: str, expected: list[object]) -> None:
    assert outline(text) == expected


@pytest.mark.parametrize(("text", "expected"), OTHER, ids=lambda v: str(v)[:70])
def test_what_is_not_understood_is_kept_as_it_was(text: str, expected: list[object]) -> None:
    assert outline(text) == expected


@pytest.mark.parametrize(
    ("text", "ordered"),
    [
        (f"open {A} and read a.txt", [False, False]),
        (f"open {A}, then read a.txt", [False, True]),
        (f"open {A}. After that read a.txt and read b.txt", [False, True, False]),
        (f"Then open {A}", [False]),
    ],
)
def test_only_an_order_that_was_asked_for_is_kept(text: str, ordered: list[bool]) -> None:
    assert [step.ordered for step in parse(text, DEMO)] == ordered


def test_a_question_about_an_open_page_opens_nothing_else() -> None:
    assert outline("what does the desk lamp cost?", page_url=A) == [("price", "desk lamp")]
    assert outline("who wrote this?", page_url=A) == [("general",)]


@given(st.text(max_size=200))
def test_any_text_can_be_parsed(text: str) -> None:
    parse(text, DEMO)


@given(
    st.text(alphabet=st.characters(exclude_characters='"\n', categories=("L", "N", "P", "Zs")), min_size=1, max_size=60)
)
def test_what_stands_in_quotes_is_never_an_instruction(text: str) -> None:
    assert outline(f'write "{text}" to out.txt') == [WriteFile("out.txt", text.strip())]
