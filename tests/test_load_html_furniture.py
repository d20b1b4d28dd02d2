"""What surrounds the text of a web page, and is no part of it."""

from __future__ import annotations

import pytest

from index.errors import DocumentError
from tests.documents import lines
from tests.test_load_html import (
    LONG,
    _no_network,  # noqa: F401
    page,
    read,
)

# What is left out


@pytest.mark.parametrize(
    "furniture",
    [
        "<nav><a href=/>GONE</a></nav>",
        "<script>GONE()</script>",
        "<style>.GONE{}</style>",
        "<noscript>GONE</noscript>",
        "<template><p>GONE</p></template>",
        "<aside>GONE</aside>",
        "<footer>GONE</footer>",
        "<header>GONE</header>",
        "<div hidden>GONE</div>",
        "<div style='color:red; DISPLAY : none'>GONE</div>",
        "<span aria-hidden=true>GONE</span>",
        "<div role=navigation>GONE</div>",
        "<div role=contentinfo>GONE</div>",
        "<div class=cookie-banner>We use GONE cookies</div>",
        "<div id='cookie-consent-banner'>GONE</div>",
        "<div id=onetrust-consent-sdk>GONE</div>",
        "<div class=article__share>GONE</div>",
        "<div class=post-share-links>GONE</div>",
        "<div class='sharedaddy sd-sharing-enabled'>GONE</div>",
        "<div class=jp-relatedposts>GONE</div>",
        "<ul class='share-buttons'><li>GONE</li></ul>",
        "<div class='social-share'>GONE</div>",
        "<div class='related-articles'>GONE</div>",
        "<div class=sidebar>GONE</div>",
        "<div class='breadcrumb'>GONE</div>",
        "<a class=skip-link href=#x>GONE</a>",
        "<button>GONE</button>",
        "<select><option>GONE</option></select>",
        "<form role=search>GONE</form>",
        "<span class=mw-editsection>[GONE]</span>",
        "<sup class=reference><a href=#1>[GONE]</a></sup>",
        "<div class=navbox>GONE</div>",
        "<iframe>GONE</iframe>",
        "<svg><title>GONE</title><text>GONE</text></svg>",
        "<video>GONE</video>",
        "<textarea>GONE</textarea>",
    ],
)
def test_what_surrounds_a_page_is_left_out(furniture: str) -> None:
    document = page(f"{furniture}<h1>Flood</h1><p>{LONG}</p>{furniture}<p>The end.</p>")
    assert lines(document) == ["Flood", LONG.strip(), "The end."]


@pytest.mark.parametrize(
    "kept",
    [
        "<div class='reference-list'>KEPT</div>",
        "<div class=shared-history>KEPT</div>",
        "<div id=sidereal>KEPT</div>",
        "<div class=social-security>KEPT</div>",
        "<div class=informed-consent>KEPT</div>",
        "<div class=market-share>KEPT</div>",
        "<div class=share-capital>KEPT</div>",
        "<div class='navy-blue'>KEPT</div>",
        "<div class='menuhin'>KEPT</div>",
        "<div hidden=until-found>KEPT</div>",
        "<span class=notoc>KEPT</span>",
        "<article><header>KEPT</header><p>Inner.</p></article>",
        "<div class='has-sidebar'><p>KEPT</p></div>",
        "<div class='layout with-sidebar'><p>KEPT</p></div>",
        "<section id=social-history>KEPT</section>",
        "<section id=metadata-formats>KEPT</section>",
        "<h2 id=menu>KEPT</h2>",
        "<h2 id=pager class=anchor>KEPT</h2>",
    ],
)
def test_what_only_sounds_like_furniture_is_kept(kept: str) -> None:
    assert "KEPT" in page(f"<h1>Flood</h1><p>{LONG}</p>{kept}<p>The end.</p>").text


@pytest.mark.parametrize("tag", ["main", "article", "div role=main"])
def test_the_main_part_is_preferred(tag: str) -> None:
    around = "<div class=x>Loose words of the portal.</div>"
    close = tag.split()[0]
    document = page(f"{around}<{tag}><h1>Flood</h1><p>{LONG}</p></{close}>{around}")
    assert lines(document) == ["Flood", LONG.strip()]


def test_several_articles_are_all_read() -> None:
    document = page("<article><p>First post.</p></article><article><p>Second post.</p></article>")
    assert lines(document) == ["First post.", "Second post."]


def test_a_small_main_part_does_not_hide_the_rest() -> None:
    document = page(f"<main><p>Loading</p></main><div>{LONG}</div>")
    assert LONG.strip() in lines(document)


@pytest.mark.parametrize(
    "body",
    [
        f"<nav><p>{LONG}</p></nav>",
        f"<aside><p>{LONG}</p></aside>",
        f"<div class=sidebar><div class=menu><p>{LONG}</p></div></div>",
        f"<div class=menu><p>{LONG}</p></div><div class=sidebar><p>{LONG}</p></div><div class=ads><p>{LONG}</p></div>",
        f"<footer><p>{LONG}</p></footer>",
        f"<div class=page><header><p>{LONG}</p></header><footer>{LONG}</footer></div>",
    ],
)
def test_a_page_where_everything_looks_like_furniture_is_not_emptied(body: str) -> None:
    assert LONG.strip() in page(body).text


def test_a_page_that_shows_nothing_is_refused() -> None:
    with pytest.raises(DocumentError, match=r"page\.html holds no text"):
        page("<script>x</script><div hidden>y</div>")


# Pages of common kinds

NEWS = f"""<header class=site-header><a href=/>The Daily</a><ul class=main-nav><li>World<li>Sport</ul></header>
<div id=CybotCookiebotDialog class=cookieconsent>We value your privacy. Accept all</div>
<div class=article-wrapper><h1>Flood in Basel</h1><p class=byline>By Ann Li</p>
<div class="share-bar sharebar"><a>Facebook</a><a>Share this</a></div><div class=article-body><p>{LONG}</p>
<div class=ad-slot>Advertisement</div><figure><img src=http://x.test/a.png alt="">
<figcaption>The old bridge.</figcaption></figure><h2>What comes next</h2><p>The {{}} town expects more rain.</p></div>
<section class=related-links><h3>Related stories</h3><a>Ten best umbrellas</a></section>
<div class=newsletter-signup><p>Sign up for our newsletter</p></div></div>
<footer><p>Copyright The Daily</p></footer>"""
DOCS = f"""<div class=wy-nav-side role=navigation><p class=caption>Contents</p><ul><li>Install<li>Usage</ul></div>
<section class=wy-nav-content-wrap><div role=main class=document><div class=section id=usage>
<h1>Usage<a class=headerlink href=#usage title="Permalink">¶</a></h1><p>{LONG}</p>
<div class="toc local" id=toc><ul><li>On this page</ul></div>
<div class="highlight-python"><div class=highlight><pre><span></span><span class=k>import</span> river
river.<span class=n>rise</span>(2)
</pre></div></div><dl class="py function"><dt class="sig sig-object">river.<span>rise</span>(<em>metres</em>)</dt>
<dd><p>Let it rise.</p></dd></dl><div class="admonition note"><p class=admonition-title>Note</p><p>It is wet.</p></div>
</div></div></section><footer>Built with Sphinx</footer>"""
FORUM = f"""<div id=nav-top><a>Forum index</a></div><h1>Pump fails</h1>
<div class=post><div class=author>ann</div><div class=content><p>My pump stopped. {LONG}</p></div>
<div class=signature>Sent from my boat</div></div>
<div class=post><div class=author>bob</div><div class=content><blockquote>My pump stopped.</blockquote>
<p>Clean the filter, then restart it.</p></div></div><div class=pagination>1 2 3 Next</div>"""
GOVERNMENT = f"""<div class=usa-banner><header class=usa-banner__header>An official website</header></div>
<a class=usa-skipnav href=#main-content>Skip to main content</a><nav class=usa-nav>Topics</nav>
<main id=main-content><h1>Flood levels</h1><p>{LONG}</p><table class=usa-table><caption>Peak levels by gauge</caption>
<thead><tr><th scope=col>Gauge<th scope=col>Level (m)</tr></thead><tbody>
<tr><th scope=row>Basel<td>8.12</tr><tr><th scope=row>Kehl<td>6.40</tr></tbody></table></main>
<footer class=usa-footer>Return to top</footer>"""


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(
            NEWS,
            [
                "Flood in Basel", "By Ann Li", LONG.strip(), "The old bridge.", "What comes next",
                "The {} town expects more rain.",
            ],
            id="news",
        ),
        pytest.param(
            DOCS,
            [
                "Usage", LONG.strip(), "import river", "river.rise(2)", "- river.rise(metres): Let it rise.", "Note",
                "It is wet.",
            ],
            id="documentation",
        ),
        pytest.param(
            FORUM,
            [
                "Pump fails", "ann", f"My pump stopped. {LONG.strip()}", "Sent from my boat", "bob", "My pump stopped.",
                "Clean the filter, then restart it.",
            ],
            id="forum",
        ),
        pytest.param(
            GOVERNMENT,
            [
                "Flood levels", LONG.strip(), "Peak levels by gauge", "Gauge | Level (m)",
                "Gauge: Basel | Level (m): 8.12", "Gauge: Kehl | Level (m): 6.40",
            ],
            id="government",
        ),
    ],
)  # fmt: skip
def test_pages_of_common_kinds_are_read_without_what_surrounds_them(body: str, expected: list[str]) -> None:
    assert lines(page(body)) == expected


@pytest.mark.parametrize(
    "name", ["menu", "nav", "pager", "toc", "share", "ads", "promo", "social", "consent", "metadata", "reference"]
)
def test_a_body_or_a_large_part_is_never_furniture(name: str) -> None:
    text = read(
        f"<html><body class={name}><div class={name}><p>{LONG}</p></div><p>End.</p></body></html>", "a.html"
    ).text
    assert LONG.strip() in text
    assert "End." in text
