"""Every command of the contract and how it is done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from meshwright.browser.actions import capture, elements, navigation, reading, waiting
from meshwright.browser.job import Action

if TYPE_CHECKING:
    from collections.abc import Mapping

ACTIONS: Mapping[str, Action] = {
    "navigate": Action(navigation.navigate, ends_at_dialog=True),
    "snapshot": Action(reading.snapshot),
    "click": Action(elements.click, ends_at_dialog=True),
    "type": Action(elements.type_text, ends_at_dialog=True),
    "press": Action(elements.press, ends_at_dialog=True),
    "select": Action(elements.select, ends_at_dialog=True),
    "scroll": Action(elements.scroll),
    "wait": Action(waiting.wait),
    "history": Action(navigation.history, ends_at_dialog=True),
    "open_tab": Action(navigation.open_tab, ends_at_dialog=True),
    "close_tab": Action(navigation.close_tab, mends=True),
    "list_tabs": Action(navigation.list_tabs, in_turn=False),
    "screenshot": Action(capture.screenshot),
    "print_pdf": Action(capture.print_pdf),
    "evaluate": Action(reading.evaluate),
    "hover": Action(elements.hover, ends_at_dialog=True),
    "get_storage_state": Action(reading.get_storage_state, in_turn=False),
    "answer_dialog": Action(waiting.answer_dialog, in_turn=False),
}
"""By the name of the field in BrowserCommand.action."""
