"""browser.evaluate, where the operator allows it."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel, Field

from meshwright.tools.browsing.page import OnTab, claim_tab_only, claimed, headline, origin, refuse_dialog
from meshwright.tools.context import CallContext
from meshwright.tools.json_struct import value_to_json
from meshwright.tools.output import Output
from meshwright.tools.tool import Annotations, tool
from meshwright.v1 import browser_pb2


class EvaluateArguments(OnTab):
    """Arguments of browser.evaluate."""

    script: str = Field(
        min_length=1,
        max_length=65_536,
        description="JavaScript to evaluate in the page: an expression, or a function such as () => document.title.",
    )


class Evaluated(BaseModel):
    """What a script gave."""

    tab: str = Field(description="The tab's id.")
    url: str = Field(description="Address of the page.")
    value: Any = Field(default=None, description="The value, as JSON. Untrusted.")


@tool("browser.evaluate", Annotations(destructive=True, open_world=True), claim=claim_tab_only)
async def browser_evaluate(args: EvaluateArguments, call: CallContext) -> Output[Evaluated]:
    """Evaluates JavaScript in a page and returns its value. Only for what the other browser tools cannot do."""
    claim = claimed(call)
    refuse_dialog(claim.tab)
    script = browser_pb2.Evaluate(script=args.script)
    result = await call.session.browser.run(claim, browser_pb2.BrowserCommand(evaluate=script), call)
    value = value_to_json(result.value)
    return Output(
        text=f"{headline(result.tab)}\n{json.dumps(value, ensure_ascii=False)}",
        structured=Evaluated(tab=result.tab.tab_id, url=result.tab.url, value=value),
        untrusted_origin=origin(result.tab.url),
    )


TOOLS = (browser_evaluate,)
