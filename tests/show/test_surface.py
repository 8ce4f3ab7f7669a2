"""A message that quotes a learner is shown as it is; only the course's own text is Markdown."""

from lab_utils.show.surface import Note


def test_a_message_is_no_markdown() -> None:
    page = Note("Expected `a < b`, got *c*.\nAgain.")._repr_html_()
    assert "Expected `a &lt; b`, got *c*.<br>Again." in page


def test_a_text_of_the_course_is_inline_markdown_without_html_of_its_own() -> None:
    page = Note("`a < b` *now* <script>", markdown=True)._repr_html_()
    assert "<code>a &lt; b</code> <em>now</em> &lt;script&gt;" in page
