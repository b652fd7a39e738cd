"""How fast theater_sql is, and how fast others are at the same work. See docs/benchmarks.md."""
