"""The one MetaData that every module's tables are registered with."""

import sqlalchemy as sa

metadata = sa.MetaData()
