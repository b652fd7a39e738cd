"""The actors of ``theater_sql.host`` on a Ray cluster, with their states in SQL.

``scale`` starts a pool of hosts, a ``RayTheater`` in any process of the cluster sends to them.
"""

try:
    from theater_sql.adapters.ray.client import RayTheater
    from theater_sql.adapters.ray.host import Pool
    from theater_sql.adapters.ray.once import ReplyLost
    from theater_sql.adapters.ray.pool import scale, stop
except ModuleNotFoundError as error:
    if error.name != "ray":
        raise
    message = "theater_sql.adapters.ray needs Ray: pip install 'theater-sql[ray]'"
    raise ModuleNotFoundError(message, name="ray") from None

__all__ = ["Pool", "RayTheater", "ReplyLost", "scale", "stop"]
