"""Outputs that become part of a message: what reads it is a terminal, a database, a page."""

from tests.grade.attacks.attack import Attack


def gives(literal: str) -> str:
    """An answer that gives a text."""
    return f"def double(x):\n    return {literal}"


ATTACKS = [
    Attack("half a character", gives(r"'\ud800'"), r"^got \?. Return twice x.$", None),
    Attack("terminal commands", gives(r"'\x1b[2J\x1b]0;passed\x07'"), r"^got \?\[2J\?\]0;", None),
    Attack("text that runs backwards", gives(r"'\u202epassed'"), r"^got \?passed", None),
    Attack("a novel", gives("'x' * 10**7"), r"^got x{1400,} … x+\. Return twice x\.$", None),
    Attack("a tag", gives("'</table><script>alert(1)</script>'"), "^got </table><script>", None),
    Attack("a formula", gives("'=cmd|calc'"), "^got =cmd", None),
    Attack("markup", gives("'[/red][bold]passed'"), r"^got \[/red\]", None),
    Attack(
        "an exception with all of these",
        "def double(x):\n    raise ValueError('\\ud800\\x1b[2J' + 'x' * 10**7)",
        r"^double raised ValueError: \?\?\[2Jx+ in cell 1, line 2. Restart",
        None,
    ),
]
