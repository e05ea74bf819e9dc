"""Addresses in feeds, as pages would follow them."""

import pytest

from danlu.apps.monitor.feed import read_feed


@pytest.mark.parametrize(
    ("link", "whole"),
    [("/2026/a", "https://site.cn/2026/a"), ("b?c=1", "https://site.cn/news/b?c=1"), ("http://x.cn/", "http://x.cn/"),
     ("//y.cn/a", "https://y.cn/a"), ("http://[", "http://[")],
)  # fmt: skip
def test_addresses_may_be_relative_to_that_of_the_feed(link: str, whole: str) -> None:
    text = f"<rss version='2.0'><channel><item><title>T</title><link>{link}</link></item></channel></rss>"
    (item,), _ = read_feed(text.encode(), None, "feed", url="https://site.cn/news/rss.xml")
    assert item.url == whole
