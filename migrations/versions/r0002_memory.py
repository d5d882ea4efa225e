"""What Phoenix remembers, and the hints that were given from it."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    CREATE TABLE memories (
        digest TEXT NOT NULL,
        number BIGINT GENERATED ALWAYS AS IDENTITY,
        kind TEXT NOT NULL,
        project TEXT NOT NULL,
        run TEXT NOT NULL,
        item TEXT NOT NULL,
        text TEXT NOT NULL,
        body TEXT NOT NULL,
        embedder TEXT NOT NULL,
        vector BYTEA,
        remembered_at timestamptz DEFAULT now() NOT NULL,
        expired_at timestamptz,
        CONSTRAINT memories_pkey PRIMARY KEY (digest),
        CONSTRAINT memories_kind_check CHECK (kind IN ('pattern', 'code', 'failure')),
        CONSTRAINT memories_number_key UNIQUE (number),
        CONSTRAINT memories_body_fkey
            FOREIGN KEY(body) REFERENCES artifacts (digest)
    )
    """,
    "CREATE INDEX memories_project_item_idx ON memories (project, item)",
    """
    CREATE TABLE hints (
        key TEXT NOT NULL,
        body TEXT NOT NULL,
        given_at timestamptz DEFAULT now() NOT NULL,
        CONSTRAINT hints_pkey PRIMARY KEY (key),
        CONSTRAINT hints_body_fkey
            FOREIGN KEY(body) REFERENCES artifacts (digest)
    )
    """,
)


def upgrade() -> None:
    """Create the two tables."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Drop them."""
    for table in ("hints", "memories"):
        op.drop_table(table)
