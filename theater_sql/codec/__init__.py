"""State to JSON text or column values and back. Pure: no database, no SQLAlchemy."""

from theater_sql.codec.bridge import BridgeCodec
from theater_sql.codec.limits import CodecError
from theater_sql.codec.plain import PlainCodec
from theater_sql.codec.rows import ColumnCodec, DocumentCodec, RowCodec, StateCodec, same
from theater_sql.codec.shapes import Field, Shape, shape_of
from theater_sql.codec.typed import Codec, inspect_type, json_codec, scalar_info

__all__ = [
    "BridgeCodec",
    "Codec",
    "CodecError",
    "ColumnCodec",
    "DocumentCodec",
    "Field",
    "PlainCodec",
    "RowCodec",
    "Shape",
    "StateCodec",
    "inspect_type",
    "json_codec",
    "same",
    "scalar_info",
    "shape_of",
]
