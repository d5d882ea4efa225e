"""Prints the schema that Prefect's migrations make in an empty PREFECT_HOME."""

import asyncio
import os
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

from prefect.server.database import provide_database_interface

asyncio.run(provide_database_interface().create_db())
with closing(sqlite3.connect(Path(os.environ["PREFECT_HOME"]) / "prefect.db")) as connection:
    sys.stdout.writelines(f"{line}\n" for line in connection.iterdump())
