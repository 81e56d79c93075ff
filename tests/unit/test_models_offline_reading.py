"""Which passage of a page or a file answers a question."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshwright.models.offline.documents import Document
from meshwright.models.offline.elements import find_clickable, find_field, find_link, find_option
from meshwright.models.offline.money import find_money
from meshwright.models.offline.question import parse_question
from meshwright.models.offline.reading import Finding, find_extreme, find_passage, find_price
from meshwright.models.offline.snapshot import parse_snapshot
from tests.support.offline_pages import BOXES, FORM, PRODUCT, SHOP, TABLE, catalogue, page

LIST = catalogue(desk_lamp="$49.00", standing_desk="$489.00", desk_mat="$35.00", office_chair="$279.00")


def price(topic: str, snapshot: str, title: str = "A page") -> str | None:
    found = find_price(topic, [page(snapshot, title=title)])
    return found.money.text if found and found.money else None


@pytest.mark.parametrize(
    ("topic", "name", "amount"),
    [
        ("desk lamp", "Desk lamp", "$49.00"),
        ("lamp", "Desk lamp", "$49.00"),
        ("lamps", "Desk lamp", "$49.00"),
        ("desk", "Standing desk", "$489.00"),
        ("office chairs", "Office chair", "$279.00"),
        ("MAT", "Desk mat", "$35.00"),
    ],
)
def test_the_price_is_the_one_beside_the_name(topic: str, name: str, amount: str) -> None:
    found = find_price(topic, [LIST])
    assert found is not None
    assert found.money is not None
    assert (found.name, found.money.text) == (name, amount)


@pytest.mark.parametrize("topic", ["piano", "red lamp", "lamp shade cleaner"])
def test_what_is_not_there_has_no_price(topic: str) -> None:
    assert find_price(topic, [LIST]) is None


def test_two_things_that_fit_equally_well_are_both_told() -> None:
    found = find_price("lamp", [catalogue(desk_lamp="$49.00", floor_lamp="$99.00")])
    assert found is not None
    assert {found.name, *(rival.title for rival in found.rivals)} == {"Desk lamp", "Floor lamp"}


@pytest.mark.parametrize(
    ("topic", "snapshot", "amount"),
    [
        ("", PRODUCT, "$49.00"),
        ("desk lamp", PRODUCT, "$49.00"),
        ("desk lamp", TABLE, "€1.049,50"),
        ("desk mat", TABLE, "Free"),
        ("lamp", BOXES, "$49.00"),
        ("chair", BOXES, "$279.00"),
        ("lamp", "- paragraph: The lamp was $60.00, now $49.00.", "$60.00"),
        ("lamp", "- text: nothing", None),
    ],
)
def test_prices_are_found_in_every_kind_of_page(topic: str, snapshot: str, amount: str | None) -> None:
    assert price(topic, snapshot) == amount


@pytest.mark.parametrize(
    ("question", "snapshot", "said"),
    [
        ("what colour is the desk lamp", PRODUCT, "Colour: Moss green"),
        ("how heavy is it", PRODUCT, "Weight: 1.6 kg"),
        ("what is the weight of the lamp", PRODUCT, "Weight: 1.6 kg"),
        ("how long is the warranty", PRODUCT, "3 years of warranty"),
        ("when is it delivered", PRODUCT, "Delivered in 2 working days"),
        ("how long does the delivery of the desk mat take", TABLE, "Delivery: 5 days"),
        ("who painted the ceiling", PRODUCT, None),
    ],
)
def test_the_passage_with_the_words_of_the_question_answers_it(question: str, snapshot: str, said: str | None) -> None:
    found = find_passage(parse_question(question), [page(snapshot, title="Desk lamp · Shop")])
    assert (found and (found.focus or found.passage.text)) == said


@pytest.mark.parametrize(
    ("question", "name"),
    [
        ("which is the cheapest product", "Desk mat"),
        ("what is the most expensive thing", "Standing desk"),
        ("which desk is the dearest", "Standing desk"),
    ],
)
def test_the_cheapest_and_the_dearest(question: str, name: str) -> None:
    found = find_extreme(parse_question(question), [LIST])
    assert isinstance(found, Finding)
    assert found.name == name


@pytest.mark.parametrize(
    ("path", "text", "question", "said"),
    [
        ("a.md", "# Returns\n\nYou have 30 days.\n\n# Prices\n\nFree.", "how long for returns", "You have 30 days."),
        ("a.txt", "Owner: Ada\nPhone: 555 0100\n", "what is the phone number", "Phone: 555 0100"),
        ("a.csv", "name,stock\nlamp,4\nchair,9\n", "how many chairs are in stock", "stock: 9"),
        ("a.txt", "- lamps are green\n- chairs are blue\n", "which chairs are there", "chairs are blue"),
        ("a.txt", "", "anything", None),
    ],
)
def test_files_answer_too(path: str, text: str, question: str, said: str | None) -> None:
    found = find_passage(parse_question(question), [Document(path, text)])
    assert (found and (found.focus or found.passage.text)) == said


@pytest.mark.parametrize(
    ("target", "ref"),
    [("Sign in", "e10"), ("the sign-in button", "e10"), ("remember me", "e8"), ("submit", "e10"), ("dance", None)],
)
def test_the_control_that_is_called_so(target: str, ref: str | None) -> None:
    found = find_clickable(page(FORM), target)
    assert (found and found.ref) == ref


@pytest.mark.parametrize(
    ("target", "ref"),
    [("user name", "e5"), ("username", None), ("Password", "e6"), ("password field", "e6"), ("age", None)],
)
def test_the_field_that_is_called_so(target: str, ref: str | None) -> None:
    found = find_field(page(FORM), target)
    assert (found and found.ref) == ref


def test_the_option_of_a_list() -> None:
    found = find_option(page(FORM), "desk lamp", "product")
    assert found is not None
    assert (found[0].ref, found[1].label) == ("e7", "Desk lamp, $49.00")
    assert find_option(page(FORM), "piano", "product") is None


def test_a_link_is_followed_only_within_the_site() -> None:
    assert find_link(LIST, "help and returns") == ("Help and returns", "http://shop.test/demo/help")
    assert find_link(LIST, "help", visited={"http://shop.test/demo/help"}) is None
    assert find_link(LIST, "elsewhere") is None


def test_a_name_with_a_colon_is_read_out_of_its_quotes() -> None:
    assert find_link(page(FORM), "lost password") == ("Lost: your password?", "http://shop.test/reset")


def test_a_snapshot_that_was_cut_still_reads() -> None:
    whole = LIST.snapshot
    assert price("desk lamp", whole[: whole.index("Standing desk") + 5]) == "$49.00"


@given(st.text(max_size=300))
def test_any_snapshot_can_be_read(snapshot: str) -> None:
    parse_snapshot(snapshot)
    find_price("lamp", [page(snapshot, url=SHOP)])


@pytest.mark.parametrize(
    ("text", "amount", "currency"),
    [
        ("$49.00", "49.00", "USD"),
        ("1.299,00 €", "1299.00", "EUR"),
        ("£1,299", "1299", "GBP"),
        ("CHF 1'200.50", "1200.50", "CHF"),
        ("12 euros", "12", "EUR"),
        ("USD 5", "5", "USD"),
        ("€1.5", "1.5", "EUR"),
    ],
)
def test_amounts_are_read_in_every_notation(text: str, amount: str, currency: str) -> None:
    (money,) = find_money(f"It costs {text} today.")
    assert (f"{money.amount.normalize():f}", money.currency) == (
        f"{type(money.amount)(amount).normalize():f}",
        currency,
    )


@pytest.mark.parametrize("text", ["48 cm", "2700 K, 470 lm", "in 2019", "free delivery", ""])
def test_what_is_no_amount(text: str) -> None:
    assert find_money(text) == []
