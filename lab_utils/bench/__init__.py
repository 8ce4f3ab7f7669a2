"""One module for each `./lab bench NAME`; modules with a leading underscore help them.

A bench module has `measure(scale, repeats) -> dict[str, Figure]`, which prints its prediction with
`_document.say` before it measures. `./lab bench` prints the document that `_document` makes.
"""
