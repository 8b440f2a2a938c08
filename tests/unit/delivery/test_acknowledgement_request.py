"""What a message says to be acknowledged, whatever its templates are."""

from flashnotify.delivery.acknowledgement_request import AcknowledgementRequest

LINK = "https://n.example/a/x?y=1&z=2"
REQUEST = AcknowledgementRequest(LINK, "en-GB")


def test_parts_without_the_link_get_it_before_the_signature_and_the_end() -> None:
    html = "<html><body>\n<p>Hi</p>\n</body></html>"
    found = REQUEST.within({"subject": "s", "text": "Hi\n-- \nCampus", "html": html})
    assert found["subject"] == "s"
    assert found["text"] == f"Hi\n\n{REQUEST}\n\n-- \nCampus"
    assert found["html"].startswith("<html><body>\n<p>Hi</p>\n<p><a href=")
    assert found["html"].endswith("I have read this</a></p>\n</body></html>")


def test_a_text_without_signature_and_html_without_an_end_end_with_it() -> None:
    found = REQUEST.within({"text": "Hi", "html": "<p>Hi</p>"})
    assert found["text"] == f"Hi\n\n{REQUEST}"
    assert found["html"].startswith("<p>Hi</p><p><a href=")


def test_parts_with_the_link_stay() -> None:
    parts = {"text": f"{LINK}\n", "html": REQUEST.__html__(), "sms": "x"}
    assert REQUEST.within(parts) == parts


def test_what_is_html_is_escaped() -> None:
    assert 'href="https://n.example/a/x?y=1&amp;z=2"' in REQUEST.__html__()


def test_another_language_is_english() -> None:
    assert AcknowledgementRequest(LINK, "de").brief == f"\nConfirm: {LINK}"
    assert AcknowledgementRequest(LINK, "fr-CA").brief == f"\nConfirmez : {LINK}"
