"""Which tier and model each call of a run was for, and why."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

COLUMNS = ("tier", "model", "reason")


def upgrade() -> None:
    """Add the columns; of earlier calls the tier and the model are known where a provider was asked."""
    for column in COLUMNS:
        op.execute(f"ALTER TABLE run_calls ADD COLUMN {column} TEXT")
    op.execute(
        "UPDATE run_calls SET tier = model_calls.tier, model = model_calls.model "
        "FROM model_calls WHERE model_calls.digest = run_calls.request"
    )


def downgrade() -> None:
    """Drop them."""
    for column in COLUMNS:
        op.drop_column("run_calls", column)
