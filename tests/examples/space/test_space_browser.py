"""The app's page in headless Chromium, from the upload to the copied hashtags.

With `GGM_SCREENSHOT=docs/images/space.png` in the environment, the picture in the documentation is taken anew.
"""

import pytest
from space_browser import PHONE, Page, find_chromium
from space_server import MAX_UPLOAD_MB

pytestmark = pytest.mark.slow
# One that the retriever finds near the first example.
NEW_HASHTAG = "#trianglelove"


@pytest.fixture(scope="module")
def page(space, tmp_path_factory):
    chromium = find_chromium()
    if chromium is None:
        pytest.skip("needs Chromium and its driver (apt-get install chromium chromium-driver)")
    page = Page(chromium, tmp_path_factory.mktemp("profile"), space.url)
    yield page
    page.driver.quit()


@pytest.fixture
def answered(page, clip, recipe):
    """The page with the answer for a clip and its description, in a new visit."""
    page.open()
    page.upload(clip)
    page.write("#description", recipe.description)
    page.ask()
    return page


def test_an_uploaded_clip_gets_hashtags(answered, clip, recipe, demo_model):
    """Would fail if a visitor's clip or words were lost, or the page showed anything else than the model's answer."""
    expected = demo_model({"video": str(clip), "description": recipe.description}, return_guidance=True)
    assert answered.hashtags("#suggestions") == [tag["hashtag"] for tag in expected["hashtags"]]
    assert answered.texts(".chip .score") == [f"{tag['score']:.2f}" for tag in expected["hashtags"]]
    kinds = answered.run("return [...document.querySelectorAll('.chip')].map(chip => chip.className.split(' ')[1])")
    assert kinds == [
        "guided" if tag["guided"] else "novel" if tag["novel"] else "known" for tag in expected["hashtags"]
    ]
    assert answered.hashtags("#guidance") == [tag["hashtag"] for tag in expected["guidance"]]
    assert answered.texts("#guidance .score") == [f"{tag['score']:.2f}" for tag in expected["guidance"]]
    timestamps = demo_model.processor.decode_media(str(clip)).timestamps
    assert answered.texts("#frames figcaption") == [f"{time:.1f} s" for time in timestamps.tolist()]
    assert answered.run("return [...document.querySelectorAll('#frames img')].every(img => img.naturalWidth > 0)")
    assert answered.all("#sound svg rect")


def test_an_added_hashtag_is_used_at_once(answered):
    """Would fail if a trend needed another click or another visit, or were seen by other visitors."""
    size = int(answered.texts("#pool-size")[0])
    assert "#whitefox" not in answered.hashtags("#guidance")
    answered.write("#pool-text", "#WhiteFox")
    answered.click("#pool-add")
    answered.wait_for(lambda: "#whitefox" in answered.hashtags("#guidance"))
    assert answered.texts("#pool-size") == [str(size + 1)]
    assert answered.texts("#pool .changes") == ["Added by you: #whitefox"]
    assert answered.texts('#guidance [data-hashtag="#whitefox"] .mark')[0] == "yours"
    answered.write("#pool-text", "whitefox")
    answered.click("#pool-remove")
    answered.wait_for(lambda: "#whitefox" not in answered.hashtags("#guidance"))
    assert answered.texts("#pool-size") == [str(size)]
    answered.write("#pool-text", "newtrend")
    answered.click("#pool-add")
    answered.wait_for(lambda: answered.texts("#pool .changes"))
    answered.open()
    assert answered.texts("#pool-size") == [str(size)] and not answered.texts("#pool .changes")


def test_what_is_no_hashtag_is_left_to_be_mended(page):
    """Would fail if a slip of the keyboard changed the pool, was thrown away, or was met with silence."""
    page.open()
    size = page.texts("#pool-size")
    page.write("#pool-text", "#2024")
    page.click("#pool-add")
    assert "2024" in page.wait_for(lambda: page.texts("#pool-problem .error"))[0]
    assert page.run("return document.querySelector('#pool-text textarea, #pool-text input').value") == "#2024"
    assert page.texts("#pool-size") == size


def test_a_file_that_is_no_clip(page, not_a_clip, clip):
    """Would fail if a broken file ended in a stack of library internals, or the page were of no use afterwards."""
    page.open()
    page.upload(not_a_clip)
    page.ask()
    (message,) = page.texts("#suggestions [role=alert]")
    assert message.startswith("'notes.mp4' cannot be read as a video")
    assert "/" not in message and "Traceback" not in message and not page.hashtags("#suggestions")
    page.open()
    page.ask()
    assert page.texts("#suggestions [role=alert]") == ["Give a short, or a description of more than hashtags."]
    page.upload(clip)
    page.wait_for(lambda: not page.all("#suggestions [role=alert]"))
    page.ask()
    assert page.hashtags("#suggestions")


def test_a_file_beyond_the_limit(page, tmp_path):
    """Would fail if an upload that is too large were taken, or refused without a word."""
    large = tmp_path / "large.mp4"
    large.write_bytes(bytes(round(MAX_UPLOAD_MB * 1e6) + 1))
    page.open()
    page.all("#clip input[type=file]")[0].send_keys(str(large))
    assert "size" in " ".join(page.wait_for(lambda: page.texts(".toast-body"))).lower()


def test_the_copy_button(answered):
    """Would fail if the clipboard got anything else than the suggested hashtags, apart by spaces."""
    expected = " ".join(answered.hashtags("#suggestions"))
    assert expected.startswith("#")
    answered.clipboard()  # grants the permission
    answered.click("#copy")
    answered.wait_for(lambda: answered.texts("#copy") == ["Copied"])
    assert answered.clipboard() == expected


def test_an_example_and_its_picture(page):
    """Would fail if a click on an example did not load it and ask for its hashtags."""
    page.open()
    page.click("#examples .gallery-item")
    page.wait_for(lambda: page.hashtags("#suggestions"))
    page.wait_for(lambda: page.all("#clip video"))
    assert page.run("return document.querySelector('#description textarea').value")
    page.write("#pool-text", NEW_HASHTAG)
    page.click("#pool-add")
    page.wait_for(lambda: NEW_HASHTAG in page.hashtags("#guidance"))
    # The pool of this visit is used for examples, too.
    page.click("#examples .gallery-item:last-child")
    page.wait_for(lambda: "#greenstar" in page.hashtags("#suggestions"))
    page.click("#examples .gallery-item")
    page.wait_for(lambda: NEW_HASHTAG in page.hashtags("#guidance"))
    page.wait_for(lambda: page.run("return document.querySelector('#clip video').readyState") >= 2)
    page.keep_picture()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_phone_shows_all_of_it(page, theme):
    """Would fail if the page were wider than a phone, or text could not be told from what is behind it."""
    page.open(PHONE, theme)
    page.click("#examples .gallery-item")
    page.wait_for(lambda: page.hashtags("#suggestions"))
    assert page.run("return document.documentElement.scrollWidth") <= PHONE[0]
    for selector in ("#suggestions .chip .tag", "#guidance .tag", "#pool p", "#header h1", ".legend li"):
        text, back = page.run(_COLOURS, page.all(selector)[0])
        assert contrast(text, back) > 4.5, (selector, text, back)


def test_the_page_asks_nobody_else(page):
    """Would fail if fonts, scripts or statistics were fetched from elsewhere: the app is to work without a network."""
    page.requested_hosts()
    page.open()
    page.click("#examples .gallery-item")
    page.wait_for(lambda: page.hashtags("#suggestions"))
    assert page.requested_hosts() == {page.url.removeprefix("http://")}


# The colour of an element's text, and the nearest one behind it that is not transparent.
_COLOURS = """
    const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
    let behind = arguments[0], colour = [0, 0, 0, 0];
    while (behind && colour.length == 4 && colour[3] == 0) {
        colour = numbers(getComputedStyle(behind).backgroundColor);
        behind = behind.parentElement;
    }
    return [numbers(getComputedStyle(arguments[0]).color), colour];
"""


def contrast(first: list[float], second: list[float]) -> float:
    """Contrast ratio of two colours, as WCAG 2 defines it, from 1 to 21."""

    def luminance(colour):
        parts = [part / 255 for part in colour[:3]]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear))

    darker, brighter = sorted((luminance(first), luminance(second)))
    return (brighter + 0.05) / (darker + 0.05)
