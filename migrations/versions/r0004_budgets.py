"""Caps that a human raised, what a reservation leaves, and the budgets of projects and days so far."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

STATEMENTS = (
    "ALTER TABLE budgets ADD COLUMN raised_from NUMERIC(18, 8), ADD COLUMN raised_to NUMERIC(18, 8)",
    """
    ALTER TABLE reservations
    ADD COLUMN room NUMERIC(18, 8) CONSTRAINT reservations_room_check CHECK (room >= 0)
    """,
    """
    INSERT INTO budgets (scope, key, spent)
    SELECT 'project', runs.project, sum(charged) FROM run_calls JOIN runs ON runs.id = run_calls.run
    GROUP BY runs.project
    """,
    """
    INSERT INTO budgets (scope, key, spent)
    SELECT 'day', to_char(told_at AT TIME ZONE 'UTC', 'YYYY-MM-DD'), sum(charged) FROM run_calls GROUP BY 2
    """,
)


def upgrade() -> None:
    """Add the columns; sum up what each project and each day has spent."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Keep the budgets of runs alone."""
    for table in ("reservations", "budgets"):
        op.execute(f"DELETE FROM {table} WHERE scope IN ('project', 'day')")  # nosec B608
    op.execute("ALTER TABLE reservations DROP COLUMN room")
    op.execute("ALTER TABLE budgets DROP COLUMN raised_from, DROP COLUMN raised_to")
