"""From a file to options, or to all that is wrong with it.

``load`` has the steps, and docs/life-of-a-request.md tells them. What is declared once (``model``,
and the options beside what they switch on) is read, checked and explained, and becomes reference
and schema.
"""
