"""Which tools a server offers. A new tool is added here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from meshwright.tools.browsing import acting, capturing, dialogs, opening, scripts, tabs, waiting
from meshwright.tools.files import edit, grep, listing, read, search, write

if TYPE_CHECKING:
    from meshwright.tools.settings import ToolSettings
    from meshwright.tools.tool import Tool


def catalogue(settings: ToolSettings) -> list[Tool]:
    """The tools that the settings allow."""
    return [
        *opening.TOOLS,
        *acting.TOOLS,
        *waiting.TOOLS,
        *dialogs.TOOLS,
        *tabs.TOOLS,
        *capturing.TOOLS,
        read.file_read,
        write.file_write,
        edit.file_edit,
        listing.file_list,
        grep.file_grep,
        search.search_files,
        *(scripts.TOOLS if settings.browser_evaluate else ()),
    ]
