"""The offline planner: plain instructions, carried out without a language model.

tokens.py, money.py     words and prices, compared
clauses.py              a task's text, taken apart into clauses
plan.py, grammar.py     what each clause means: the actions and the table of phrasings
snapshot.py             a page's ARIA snapshot, read
passages.py, reading.py the passages of pages and files, and which of them answers a question
memory.py               what the conversation so far has shown
execution.py            a plan carried out: tool calls, a step at a time
report.py               the answer in words
planner.py              the model
"""
