"""``python -m theater_sql.cli`` is ``theater-sql``."""

import sys

from theater_sql.cli import main

sys.exit(main())
