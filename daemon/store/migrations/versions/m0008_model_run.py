"""Which training made a model: `forget` asks that training what it saw, and no clock."""

import sqlalchemy as sa
from alembic import op

revision = "0008_model_run"
down_revision = "0007_retention"


def upgrade() -> None:
    """Of older models nobody knows; so nothing is proved of them."""
    op.add_column("models", sa.Column("run", sa.Integer(), nullable=True))
