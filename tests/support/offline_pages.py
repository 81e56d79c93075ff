"""Pages as a browser's snapshot shows them, small enough to stand in a test."""

from __future__ import annotations

from meshwright.models.offline.pages import Page

SHOP = "http://shop.test/demo/"


def page(snapshot: str, *, title: str = "A page", url: str = SHOP, tab: str = "t1") -> Page:
    """A page with a snapshot."""
    return Page(tab, url, title, snapshot)


def product(name: str, price: str, more: str = "in stock", ref: int = 10) -> str:
    """A product in a list, as a card."""
    slug = name.lower().replace(" ", "-")
    return f"""\
    - listitem [ref=e{ref}]:
      - img "{name} on a table" [ref=e{ref + 1}]
      - generic [ref=e{ref + 2}]:
        - heading [level=3] [ref=e{ref + 3}]:
          - link "{name}" [ref=e{ref + 4}] [cursor=pointer]:
            - /url: /demo/products/{slug}
        - paragraph [ref=e{ref + 5}]:
          - strong [ref=e{ref + 6}]: {price}
          - generic [ref=e{ref + 7}]: {more}
"""


def catalogue(**prices: str) -> Page:
    """A shop's list: `desk_lamp="$49.00"` is the Desk lamp."""
    cards = "".join(
        product(name.replace("_", " ").capitalize(), price, f"{number + 3} in stock", 100 * number)
        for number, (name, price) in enumerate(prices.items(), 1)
    )
    snapshot = f"""\
- banner [ref=e1]:
  - search [ref=e2]:
    - searchbox "Search the shop" [ref=e3]
    - button "Search" [ref=e4]
  - navigation "Shop" [ref=e5]:
    - link "Help and returns" [ref=e6] [cursor=pointer]:
      - /url: /demo/help
    - link "Elsewhere" [ref=e7] [cursor=pointer]:
      - /url: http://elsewhere.test/help-and-returns
- main [ref=e8]:
  - heading "Catalogue" [level=1] [ref=e9]
  - list [ref=e10]:
{cards}- contentinfo [ref=e11]:
  - paragraph [ref=e12]: Delivery costs $9.00, and nothing from $150.00.
"""
    return page(snapshot, title="Catalogue · Shop")


PRODUCT = """\
- main [ref=e1]:
  - article [ref=e2]:
    - heading "Desk lamp" [level=1] [ref=e3]
    - paragraph [ref=e4]: A warm light on a long brass arm.
    - paragraph [ref=e5]:
      - strong [ref=e6]: $49.00
      - generic [ref=e7]: 23 in stock
    - list [ref=e8]:
      - listitem [ref=e9]: Delivered in 2 working days
      - listitem [ref=e10]: 3 years of warranty
  - region "Specifications" [ref=e11]:
    - heading "Specifications" [level=2] [ref=e12]
    - table "Specifications of the desk lamp" [ref=e13]:
      - rowgroup [ref=e14]:
        - row [ref=e15]:
          - rowheader "Colour" [ref=e16]
          - cell "Moss green" [ref=e17]
        - row [ref=e18]:
          - rowheader "Weight" [ref=e19]
          - cell "1.6 kg" [ref=e20]
"""

TABLE = """\
- main [ref=e1]:
  - heading "Compare prices" [level=1] [ref=e2]
  - table "Prices and delivery" [ref=e3]:
    - rowgroup [ref=e4]:
      - row [ref=e5]:
        - columnheader "Product" [ref=e6]
        - columnheader "Price" [ref=e7]
        - columnheader "Delivery" [ref=e8]
    - rowgroup [ref=e9]:
      - row [ref=e10]:
        - rowheader "Desk lamp" [ref=e11]
        - cell "€1.049,50" [ref=e12]
        - cell "2 days" [ref=e13]
      - row [ref=e14]:
        - rowheader "Desk mat" [ref=e15]
        - cell "Free" [ref=e16]
        - cell "5 days" [ref=e17]
"""

BOXES = """\
- generic [ref=e1]:
  - generic [ref=e2]:
    - generic [ref=e3]:
      - link "Desk lamp" [ref=e4]:
        - /url: /lamp
      - generic [ref=e5]: $49.00
    - generic [ref=e6]:
      - link "Office chair" [ref=e7]:
        - /url: /chair
      - generic [ref=e8]: $279.00
"""

FORM = """\
- main [ref=e1]:
  - heading "Sign in" [level=1] [ref=e2]
  - form "Sign in" [ref=e3]:
    - generic [ref=e4]: User name
    - textbox "User name" [ref=e5]
    - textbox "Password" [ref=e6]
    - combobox "Product" [ref=e7]:
      - option "Choose a product" [selected]
      - option "Desk lamp, $49.00"
    - checkbox "Remember me" [ref=e8]
    - button "Cancel" [ref=e9]
    - button "Sign in" [ref=e10]
  - 'link "Lost: your password?" [ref=e11] [cursor=pointer]':
    - /url: /reset
"""
