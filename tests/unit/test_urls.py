"""What an engine is made of a URL of ours."""

from __future__ import annotations

import pytest

from theater_sql.backends import engine_for


@pytest.mark.parametrize(
    ("query", "seconds"),
    [
        ("", "10"),
        ("?host=a", "10"),
        ("?host=a:1&host=b:2&host=c:3", "4"),
        ("?host=a,b&port=1,2", "5"),
        ("?host=a&host=b&host=c&host=d&host=e&host=f", "2"),
        ("?host=a&host=b&connect_timeout=7", "7"),
    ],
)
def test_the_hosts_of_a_url_share_the_time_to_connect(query: str, seconds: str) -> None:
    engine = engine_for(f"postgresql+psycopg:///app{query}", timeout=10)
    assert engine.url.query["connect_timeout"] == seconds
